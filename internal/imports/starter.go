package imports

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"relevo/internal/config"
	"relevo/internal/lazyregexp"
)

var starterOptions = optionSet{
	"--port": "port=", "--path": "path=", "--dir": "dir=", "--interval": "interval=",
	"--signal-on-hup": "signal-on-hup=", "--signal-on-term": "signal-on-term=", "--pid-file": "pid-file=",
	"--status-file": "status-file=", "--log-file": "log-file=", "--envdir": "envdir=", "--backlog": "backlog=",
	"--enable-auto-restart": "enable-auto-restart", "--auto-restart-interval": "auto-restart-interval=",
	"--kill-old-delay": "kill-old-delay=", "--daemonize": "daemonize", "--restart": "restart", "--stop": "stop",
}

var starterLeftOut = map[string]string{
	"interval":       "relevo sees when a worker accepts; it waits longer after each crash",
	"pid-file":       "relevo status --json has the pids",
	"status-file":    "relevo status --json has the workers and their generations",
	"log-file":       "relevo logs shows what the workers print; [log] says how large the files get",
	"kill-old-delay": "old workers leave when the new ones are ready, and finish what they have accepted",
	"daemonize":      "relevo start starts apps in the background",
	"envdir": "relevo reads files of NAME=VALUE lines again at each roll: env_files. This writes one: " +
		"for f in DIR/*; do echo \"${f##*/}=$(head -n 1 $f)\"; done",
}

// starterPort is [u][HOST:]PORT[=FD].
var starterPort = lazyregexp.New(`^(u?)((?:\[[0-9a-fA-F:.]+\]|[^\[\]:=]*):)?(u?)([0-9]+)(?:=([0-9]+))?$`)

// readStarter makes a document of a command line of Server::Starter.
func readStarter(args []string, s Source) (*Document, error) {
	options, command, err := starterOptions.read(args[1:], false)
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for _, o := range options {
		values[o.key] = o.value
	}
	if _, is := values["restart"]; is {
		return nil, errors.New("it asks a start_server that runs for a restart; relevo reload NAME does that")
	}
	if _, is := values["stop"]; is {
		return nil, errors.New("it stops a start_server that runs; relevo stop NAME does that")
	}
	if len(command) == 0 {
		return nil, errors.New("it runs no program: its name follows -- behind the options of start_server")
	}
	app := App{Name: config.NameFor(command, "")}
	for i := range command {
		command[i] = literal(command[i])
	}
	app.program(command, s)
	app.directory(s, values["dir"])
	app.set("", "workers", 1, "start_server runs one; more share the sockets")
	if err := app.starterSockets(options, values["backlog"]); err != nil {
		return nil, err
	}
	for _, o := range options {
		if err := app.starter(o, values); err != nil {
			return nil, err
		}
	}
	app.remark("SERVER_STARTER_GENERATION: left out: RELEVO_GENERATION has the number")
	d := &Document{From: s.Path}
	d.add(app)
	return d, nil
}

// starterSockets sets the listeners, and the variable that tells them.
func (a *App) starterSockets(options []option, backlog string) error {
	var opened sockets
	var told []string
	if backlog != "" {
		backlog = ",backlog=" + backlog
	}
	for _, o := range options {
		switch o.key {
		case "port":
			parts := starterPort.FindStringSubmatch(o.value)
			if parts == nil {
				return fmt.Errorf("--port is %q, and should be PORT or HOST:PORT", o.value)
			}
			address := or(parts[2], "0.0.0.0:") + parts[4] + backlog
			if parts[1]+parts[3] != "" {
				address = "udp:" + strings.TrimSuffix(address, backlog) // packets wait in no such queue
			}
			named, fd, _ := strings.Cut(o.value, "=")
			if fd != "" {
				a.remark("--port (%s): its number of a descriptor is left out: relevo chooses it, and SERVER_STARTER_PORT "+
					"tells it",
					o.value)
			}
			told = append(told, named+"="+opened.add(address, ""))
		case "path":
			told = append(told, o.value+"="+opened.add("unix:"+o.value, backlog))
		}
	}
	if len(told) > 0 {
		a.set("", "listen", opened.listen, blockingSockets)
		a.set("env", "SERVER_STARTER_PORT", strings.Join(told, ";"), "as from start_server; relevo fills in what is in "+
			"braces")
	}
	return nil
}

// starter applies one of its options; those of the sockets are read before.
func (a *App) starter(o option, values map[string]string) error {
	switch o.key {
	case "port", "path", "dir", "backlog":
	case "signal-on-hup":
		signal := strings.TrimPrefix(strings.ToUpper(o.value), "SIG")
		if _, err := config.ParseSignal(signal); err != nil {
			return err
		}
		a.set("", "stop_signal", signal, "")
	case "signal-on-term":
		if o.value != or(values["signal-on-hup"], "TERM") {
			a.remark("--signal-on-term (%s): left out: workers that leave, and workers that are stopped, get stop_signal",
				o.value)
		}
	case "enable-auto-restart":
		return a.lifetime(or(values["auto-restart-interval"], "360"))
	case "auto-restart-interval":
		if _, on := values["enable-auto-restart"]; !on {
			a.remark("--auto-restart-interval (%s): left out: --enable-auto-restart is not there", o.value)
		}
	default:
		a.remark("--%s: left out: %s", o.key, starterLeftOut[o.key])
	}
	return nil
}

func (a *App) lifetime(seconds string) error {
	n, err := strconv.Atoi(seconds)
	if err != nil || n < 1 {
		return fmt.Errorf("--auto-restart-interval is %q, and should be a number of seconds", seconds)
	}
	a.set("limits", "max_lifetime", seconds+"s", "--auto-restart-interval: each worker is replaced at this age")
	return nil
}
