package imports

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"relevo/internal/config"
	"relevo/internal/lazyregexp"
)

// lineReaders are for the programs whose command lines can be imported.
var lineReaders = map[string]func(args []string, s Source) (*Document, error){
	"einhorn": readEinhorn, "start_server": readStarter, "start-server": readStarter, "server-starter": readStarter,
}

// ErrNoLauncher is returned for the command line of another program.
var ErrNoLauncher = errors.New("the command lines of einhorn, start_server and gunicorn are known; any other program " +
	"is " +
	"started as it is: relevo start -- COMMAND")

// ReadLine makes a document of another program's command line. For gunicorn, conf is the value of the
// file that GunicornFile names.
func ReadLine(args []string, conf []byte, s Source) (*Document, error) {
	program := strings.TrimSuffix(filepath.Base(args[0]), filepath.Ext(args[0]))
	s.Path = "the command line of " + program
	read := lineReaders[program]
	if program == gunicorn {
		read = func(args []string, s Source) (*Document, error) { return readGunicornLine(args, conf, s) }
	}
	if read == nil {
		return nil, fmt.Errorf("cannot import %s: %w", args[0], ErrNoLauncher)
	}
	d, err := read(args, s)
	if err != nil {
		return nil, fmt.Errorf("cannot import %s: %w", s.Path, err)
	}
	return d, nil
}

// sockets are those that such a program opens for its workers.
type sockets struct {
	listen []string
	values []string // {fd:NAME}
}

// add adds a socket, and returns the placeholder of its descriptor.
func (s *sockets) add(address, options string) string {
	name := "socket" + strconv.Itoa(len(s.listen))
	s.listen = append(s.listen, name+"="+address+options)
	s.values = append(s.values, "{fd:"+name+"}")
	return s.values[len(s.values)-1]
}

const blockingSockets = "sockets do not block here: a simple program that only calls accept needs ,blocking behind " +
	"the " +
	"address"

// program sets what it runs. A program of the directory is written with its path.
func (a *App) program(words []string, s Source) {
	all := slices.Clone(words)
	if !strings.Contains(all[0], "/") && s.Exists != nil && s.Exists(all[0]) {
		all[0] = "./" + all[0]
	}
	a.set("", "command", all, "")
}

var einhornOptions = optionSet{
	"-b": "bind=", "--bind": "bind=", "-c": "command-name=", "--command-name": "command-name=", "-d": "socket-path=",
	"--socket-path": "socket-path=", "-e": "pidfile=", "--pidfile": "pidfile=", "-f": "lockfile=",
	"--lockfile": "lockfile=", "-g": "command-socket-as-fd", "--command-socket-as-fd": "command-socket-as-fd",
	"-k": "kill-children-on-exit", "--kill-children-on-exit": "kill-children-on-exit", "-l": "backlog=",
	"--backlog": "backlog=", "-m": "ack-mode=", "--ack-mode": "ack-mode=", "-n": "number=", "--number": "number=",
	"-p": "preload=", "--preload": "preload=", "-q": "quiet", "--quiet": "quiet", "-s": "seconds=",
	"--seconds": "seconds=", "-v": "verbose", "--verbose": "verbose", "--drop-env-var": "drop-env-var=",
	"--reexec-as": "reexec-as=", "--nice": "nice=", "-t": "signal-timeout=", "--signal-timeout": "signal-timeout=",
	"--max-unacked": "max-unacked=", "--max-upgrade-additional": "max-upgrade-additional=",
	"--gc-before-fork": "gc-before-fork",
}

var einhornLeftOut = map[string]string{
	"socket-path":          "relevo's control socket has a place of its own; relevo status, reload and scale talk to it",
	"pidfile":              "relevo status --json has the pids",
	"lockfile":             "an app of a name runs once",
	"command-socket-as-fd": "there is no acknowledgement by einhorn's socket; READY=1 on NOTIFY_SOCKET is one",
	"kill-children-on-exit": "relevo stop ends the workers; a master that was killed leaves them serving, and the next " +
		"one " +
		"takes them over",
	"quiet":          "log_level says how much relevo prints",
	"verbose":        "log_level says how much relevo prints",
	"seconds":        "relevo itself waits longer after each crash",
	"drop-env-var":   "workers get a new environment at each roll; env_inherit says which variables pass",
	"reexec-as":      "relevo upgrade replaces relevo by its own file",
	"gc-before-fork": "workers are started, not forked",
	"max-unacked":    "surge says how many slots a roll replaces at a time",
	"preload":        "each worker loads its code by itself; the command has to be one that starts without einhorn_main",
}

var (
	bindAddress = lazyregexp.New(`^([^,]*:[0-9]+)((?:,\w+)*)$`)
	inArgument  = lazyregexp.New(`^((?:-[\w-]+=)?)srv:([^,]*:[0-9]+)((?:,\w+)*)$`)
)

func readEinhorn(args []string, s Source) (*Document, error) {
	options, command, err := einhornOptions.read(args[1:], false)
	if err != nil {
		return nil, err
	}
	if len(command) == 0 {
		return nil, errors.New("it runs no program: its name follows the options of einhorn")
	}
	app := App{Name: config.NameFor(command, "")}
	opened, err := einhornSockets(options, command)
	if err != nil {
		return nil, err
	}
	app.program(command, s)
	app.directory(s, "")
	app.set("", "workers", 1, "")
	app.set("", "stop_signal", "USR2", "the signal by which einhorn asks old workers to finish and leave")
	for _, o := range options {
		if err := app.einhorn(o); err != nil {
			return nil, err
		}
	}
	if len(opened.listen) > 0 {
		app.set("", "listen", opened.listen, blockingSockets)
	}
	app.einhornVariables(opened)
	d := &Document{From: s.Path}
	d.add(app)
	return d, nil
}

// einhornSockets opens what options bind and what stands in the command as srv:ADDRESS:PORT,
// which becomes the descriptor there.
func einhornSockets(options []option, command []string) (opened sockets, err error) {
	backlog := einhornBacklog(options)
	for _, o := range options {
		if o.key != "bind" {
			continue
		}
		parts := bindAddress.FindStringSubmatch(o.value)
		if parts == nil {
			return opened, fmt.Errorf("it binds %q, which is no ADDRESS:PORT", o.value)
		}
		opened.add(parts[1], backlog)
	}
	for i, word := range command {
		parts := inArgument.FindStringSubmatch(word)
		if command[i] = literal(word); parts != nil && i > 0 {
			command[i] = literal(parts[1]) + opened.add(parts[2], backlog)
		}
	}
	return opened, nil
}

func einhornBacklog(options []option) (suffix string) {
	for _, o := range options {
		if o.key == "backlog" {
			suffix = ",backlog=" + o.value
		}
	}
	return suffix
}

// einhornVariables tells the program of its sockets as einhorn does.
func (a *App) einhornVariables(opened sockets) {
	a.set("env", "EINHORN_FD_COUNT", strconv.Itoa(len(opened.values)),
		"as from einhorn; relevo fills in what is in braces")
	for i, fd := range opened.values {
		a.set("env", "EINHORN_FD_"+strconv.Itoa(i), fd, "")
	}
	a.set("env", "EINHORN_FDS", strings.Join(opened.values, " "), "")
	a.set("env", "EINHORN_CHILD_INDEX", "{slot}", "")
	a.remark("EINHORN_MASTER_PID, EINHORN_SOCK_PATH: left out: no einhorn listens there. Take Einhorn::Worker.ack! " +
		"out of the program; a worker counts as ready when it accepts, or by READY=1 on NOTIFY_SOCKET")
}

// einhorn applies one option; bind and backlog were read before.
func (a *App) einhorn(o option) error {
	switch o.key {
	case "bind", "backlog":
	case "command-name":
		if a.Name = config.NameOf(o.value); a.Name == "" {
			return fmt.Errorf("--command-name is %q: a name has letters or digits", o.value)
		}
	case "number":
		return a.number("workers", "--number", o.value)
	case "signal-timeout":
		return a.seconds("stop_grace", "--signal-timeout", o.value)
	case "max-upgrade-additional":
		return a.number("surge", "--max-upgrade-additional", o.value)
	case "nice":
		parts := strings.Split(o.value, ":")
		if n, err := strconv.Atoi(parts[min(1, len(parts)-1)]); err == nil && len(parts) > 1 {
			a.set("limits", "nice", n, "")
		}
		a.remark("--nice (%s): the part of the workers is limits.nice; nice -n N relevo start … is for the master", o.value)
	case "ack-mode":
		if o.value == "manual" {
			a.remark("--ack-mode (manual): replaced: a worker counts as ready when it accepts; where that is too early, " +
				"set " +
				"ready = \"notify\" and have the program send READY=1 to NOTIFY_SOCKET")
			return nil
		}
		a.remark("--ack-mode (%s): replaced: a worker counts as ready when it accepts, and not after some time", o.value)
	default:
		a.remark("--%s: left out: %s", o.key, einhornLeftOut[o.key])
	}
	return nil
}

// number changes a setting, or adds it.
func (a *App) number(key, flag, text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return fmt.Errorf("%s is %q, and should be a number from 1 on", flag, text)
	}
	a.change(key, n)
	return nil
}

// seconds sets a time that is written as a number of seconds.
func (a *App) seconds(key, flag, text string) error {
	d, err := config.ParseDuration(text + "s")
	if err != nil {
		return fmt.Errorf("%s is %q, and should be a number of seconds", flag, text)
	}
	a.change(key, config.DurationText(d))
	return nil
}

// change gives a key of the app's own table another value, or adds it.
func (a *App) change(key string, value any) {
	for i, s := range a.Settings {
		if s.Table == "" && s.Key == key {
			a.Settings[i].Value = value
			return
		}
	}
	a.set("", key, value, "")
}
