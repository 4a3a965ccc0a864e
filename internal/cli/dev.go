package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/dev"
	"relevo/internal/master"
	"relevo/internal/phrase"
	"relevo/internal/printable"
	"relevo/internal/safefile"
)

// Time limits in development: no probation to wait for, and an open page must not delay the next
// version.
const (
	devDrainTimeout = 2 * time.Second
	devStopGrace    = time.Second
)

func (c *cli) dev() *cobra.Command {
	cmd := &cobra.Command{
		Use: "dev [flags] [PACKAGE|SCRIPT|DIR [-- ARG…] | -- COMMAND ARG…]", GroupID: "start",
		Short: "Build, serve, and roll on every save",
		Long: `Build, serve, and roll on every save: the browser never sees a refused connection,
not while something is built, not while the app warms up, and not after a save
that does not compile: the old workers serve until better ones are ready.

A Go module needs no configuration: relevo asks go list for the files of the program,
and watches them. In a directory with a package.json relevo runs its start
script; otherwise it runs a script with a common name, such as app.js or app.py, or
the script that you name. Scripts bind their own port, so relevo listens only if -l
is given. For everything else name the command, the build if there is one, and the
files whose changes count (default: all below the working directory that .gitignore
and .ignore do not name). {out} in --build and COMMAND is a place outside of what is
watched. [dev] in relevo.toml has the same settings, and [[dev.rules]] for steps
before the build.

` + dev.Help,
		Example: `  relevo dev                                          the Go program of this directory
  relevo dev ./cmd/shop -- -v                          with arguments for it
  relevo dev app.js                                    a script, rolled on every save
  relevo dev --watch '**/*.py' -- python3 app.py       no build
  relevo dev --build 'npm run build' --watch 'src/**' -- node dist/server.js
  relevo dev --build 'cc -o {out} *.c' --watch '*.[ch]' -- {out}`,
		Args: cobra.ArbitraryArgs,
	}
	flags := c.settingFlags(cmd, func(config.Setting) bool { return true })
	cmd.Flags().Lookup("proxy").NoOptDefVal = config.DefaultProxy
	sayDefaults(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		defaults, err := devDefaults()
		if err != nil {
			return err
		}
		sources, err := c.sources(flags, defaults, c.placeFor(cmd, flags))
		if err != nil {
			return err
		}
		if err := useArguments(&sources, args, cmd.ArgsLenAtDash()); err != nil {
			return err
		}
		return c.runDev(sources)
	}
	return cmd
}

func devDefaults() (config.App, error) {
	app := config.Default()
	listen, err := config.ParseListen(defaultServeAddress)
	app.Listen, app.Workers = []config.Listen{listen}, 1
	app.Canary, app.DrainTimeout, app.StopGrace = 0, devDrainTimeout, devStopGrace
	app.WatchBinary = false
	return app, err
}

// sayDefaults adds to the help the defaults that differ from those of relevo run.
func sayDefaults(flags *pflag.FlagSet) {
	defaults, err := devDefaults()
	if err != nil {
		return // the command's own help says so
	}
	for name, value := range map[string]string{
		"listen": defaultServeAddress, "workers": "1", "canary": defaults.Canary.String(),
		"drain-timeout": defaults.DrainTimeout.String(),
		"stop-grace":    defaults.StopGrace.String(), "watch-binary": "false: each build rolls",
	} {
		flag := flags.Lookup(name)
		flag.Usage, flag.DefValue = flag.Usage+" (default "+value+")", ""
	}
}

// useArguments sorts the command line: a package before --, and after it a command or the package's
// arguments.
func useArguments(s *config.Sources, args []string, dash int) error {
	before, after := args, []string(nil)
	if dash >= 0 {
		before, after = args[:dash], args[dash:]
	}
	switch {
	case len(before) > 0 && isCommand(s, before[0]):
		if len(after) > 0 && (before[0] == "npm" || before[0] == "pnpm") {
			before = append(slices.Clone(before), "--")
		}
		useCommand(s, slices.Concat(before, after))
	case len(before) > 1:
		return usage(fmt.Errorf("cannot run %q: name one package or script, or write -- before a command", before))
	case len(before) == 1:
		s.Defaults.Dev.Package = before[0]
		s.Flags["dev.package"] = before
		s.Flags["command"] = append([]string{before[0]}, after...)
	case len(after) > 0:
		s.Flags["command"] = after
	default:
		return usePresent(s)
	}
	return nil
}

// usePresent chooses the program of the working directory if the command line and the file name
// none.
func usePresent(s *config.Sources) error {
	app, _ := s.Resolve()
	if app.Dev.Package != "" {
		if len(app.Command) == 0 {
			s.Flags["command"] = []string{app.Dev.Package}
		}
		return nil
	}
	if len(app.Command) > 0 {
		return nil
	}
	if !hasGoFiles(s.Dir) || !inModule(s.Dir) {
		command, err := presentScript(app)
		if command != "" {
			useCommand(s, []string{command})
		}
		if command != "" || err != nil {
			return err
		}
	}
	if !inModule(s.Dir) {
		return usage(errors.New("cannot tell what to run: here is no Go module, package.json or script such as app.js and " +
			"app.py; write relevo dev SCRIPT, or relevo dev --watch GLOB -- COMMAND ARG…"))
	}
	s.Flags["dev.package"] = []string{"."}
	s.Flags["command"] = []string{"."}
	return nil
}

func inModule(dir string) bool {
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return true
		}
		if dir == filepath.Dir(dir) {
			return false
		}
	}
}

// programName is the file name of the program that is built from a package.
func programName(pattern, dir string) string {
	if filepath.IsAbs(pattern) || strings.HasPrefix(pattern, ".") {
		if path, err := filepath.Abs(filepath.Join(dir, strings.TrimPrefix(pattern, dir))); err == nil {
			pattern = path
		}
	}
	name := strings.TrimSuffix(filepath.Base(pattern), ".go")
	return config.NameFor([]string{name}, "")
}

func (c *cli) runDev(sources config.Sources) error {
	app, _ := sources.Resolve()
	if app.Dev.Package != "" {
		sources.Defaults.Name = programName(app.Dev.Package, sources.Dir)
	}
	app, notes, err := resolveDev(sources)
	if err != nil {
		return err
	}
	if err := devFlags(sources, app); err != nil {
		return usage(err)
	}
	app.Dev.Watch = watchedScript(app, sources.Dir)
	opens := app.Dev.Open
	app.Dev.Open = opens && isTerminal(c.stderr)
	if app.Dev.Open && app.Dev.Proxy == "" {
		app.Dev.Proxy = config.DefaultProxy
	}
	c.logFormat, c.logLevel = string(app.LogFormat), app.LogLevel.String()
	stderr := newLogQueue(c.stderr)
	defer stderr.close()
	log, err := c.logger(stderr)
	if err != nil {
		return err
	}
	keepSmall()
	tell(log, notes)
	if opens && !app.Dev.Open {
		log.Warn("no browser is opened: the messages of relevo do not go to a terminal")
	}
	return c.develop(sources, app, notes, stderr, log)
}

// resolveDev is resolve, except that the command of a Go package is known before it is built.
func resolveDev(sources config.Sources) (config.App, []string, error) {
	app, err := sources.Resolve()
	if app.Dev.Package == "" {
		return resolve(sources)
	}
	app, err = fitting(sources, app, err)
	return app, sources.Remarks(), err
}

func reloadDev(sources config.Sources) (config.App, []string, error) {
	sources, err := sources.Reread()
	if err != nil {
		return config.App{}, nil, invalid(err)
	}
	return resolveDev(sources)
}

// develop runs the master and, beside it, the loop that builds.
func (c *cli) develop(sources config.Sources, app config.App, notes []string, stderr io.Writer,
	log *slog.Logger) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o, err := c.devOptions(sources, app, stderr, log)
	if err != nil {
		return err
	}
	page := newBrowser(app, sources.Dir, log)
	o.Browser = page.forLoop()
	o.Open = func(address string) { c.open(page, address, log) }
	defer func() { cancel(); page.wait() }()
	loop, err := dev.New(ctx, o)
	if err != nil {
		return err
	}
	app.Command = loop.Command(app.Command)
	reread := loader(func() (config.App, []string, error) { return reloadDev(sources) }).telling(log, notes)
	load := func() (config.App, error) {
		app, err := reread()
		app.Command, app.WatchBinary = loop.Command(app.Command), false
		return app, err
	}
	keys, err := c.readKeys(log)
	if err != nil {
		return err
	}
	defer keys.close()
	loop.UseKeys(keys.keys)
	ended := make(chan struct{})
	go func() { defer close(ended); loop.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	return master.Run(ctx, master.Options{
		App: app, ConfigFile: fileOf(sources), Places: c.places, Log: quieter(log, app), Streams: c.streams(app.Output),
		Version: version(), Build: ownBuild(), Load: load, Await: loop.Await,
		Attach: func(m master.Attached) error {
			if err := page.beginAt(ctx, m); err != nil {
				return err
			}
			page.greet(c, log)
			loop.Attach(m) // from here on the page can show failures
			return nil
		},
		Started: func(listeners []control.Listener) {
			c.greetDev(stderr, app, listeners)
			page.beginLate(ctx, listeners, c, log)
			loop.Serving()
		},
	})
}

// greetDev is greet. If the output goes to a file or a pipe, each address is an ordinary line.
func (c *cli) greetDev(to io.Writer, app config.App, listeners []control.Listener) {
	if isTerminal(c.stderr) {
		c.greet(to, app, listeners)
		return
	}
	for i, l := range listeners {
		fmt.Fprintln(to, c.noteText(dev.Note{Text: app.Name + " " + shownAddress(app, i, l)}))
	}
}

func fileOf(s config.Sources) string {
	if s.File == nil {
		return ""
	}
	return s.File.Path()
}

func (c *cli) devOptions(sources config.Sources, app config.App, stderr io.Writer,
	log *slog.Logger) (dev.Options, error) {
	place := filepath.Join(c.places.AppState(app.Name), "dev")
	err := safefile.CheckDir(place) // relevo runs the programs in it
	if err == nil {
		err = safefile.MkdirAll(place, 0o711, 0o711)
	}
	if err != nil {
		return dev.Options{}, fmt.Errorf("cannot use %s for what is built: %w; RELEVO_STATE_DIR chooses another place", place,
			err)
	}
	o := dev.Options{
		Dir: sources.Dir, Dev: app.Dev, Place: place, Store: c.places.ReleaseStore(app.Name), Name: app.Name, Log: log,
		Say: func(n dev.Note) { fmt.Fprintln(stderr, c.noteText(n)) },
		// Erase the screen and the scrollback, and move the cursor home (xterm).
		ClearScreen: func() { io.WriteString(stderr, "\x1b[H\x1b[2J\x1b[3J") },
	}
	if file := fileOf(sources); file != "" {
		if !filepath.IsAbs(file) {
			file = filepath.Join(sources.Dir, file)
		}
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			o.ConfigFile = file
		}
	}
	return o, nil
}

func (c *cli) noteText(n dev.Note) string {
	code := dim
	switch n.Kind {
	case dev.Good:
		code = green
	case dev.Bad:
		code = red
	}
	first, rest, more := strings.Cut(printable.Text(n.Text), "\n")
	text := c.paint(c.color, code, "▸ ") + c.paint(c.color, code, first)
	if more {
		text += "\n" + rest
	}
	return text
}

// open opens the page in the browser.
func (c *cli) open(page *browser, address string, log *slog.Logger) {
	program := "xdg-open"
	if runtime.GOOS == "darwin" {
		program = "open"
	}
	url := phrase.URL(address, "localhost")
	if proxied := page.url(); proxied != "" {
		url = proxied
	}
	cmd := exec.Command(program, url)
	if err := cmd.Start(); err != nil {
		log.Warn("cannot open the browser", "url", url, "err", err)
		return
	}
	go cmd.Wait()
}
