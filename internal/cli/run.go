package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/launch"
	"relevo/internal/master"
	"relevo/internal/oomscore"
	"relevo/internal/phrase"
	"relevo/internal/succession"
)

func (c *cli) run() *cobra.Command {
	cmd := &cobra.Command{
		Use: "run [flags] [--] [COMMAND|SCRIPT|DIR ARG…]", GroupID: "start",
		Short: "Run a command as a pool of workers, in the foreground",
		Long: `Run a command as a pool of workers, in the foreground.

Each worker inherits the listening sockets from descriptor 3 on, the way systemd
passes them (LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES). Arguments may hold {fd},
{fd:NAME}, {addr}, {addr:NAME} and {slot}.

Signals: HUP reloads (where the terminal has gone it is a stop), TERM, INT and
QUIT stop gracefully (a second one, half a second later or more, forces), TTIN
and TTOU add and take away a worker, USR2 replaces relevo itself. Settings come
from flags, from RELEVO_FLAG_NAME in the environment and from relevo.toml; the
first of these that has one wins. Without COMMAND that of the file is run.

COMMAND may be a script (app.js, app.ts, app.py, app.rb, config.ru, app.php, x.sh),
which its interpreter runs, a directory with a package.json, or npm start, npm run X,
npx, yarn, pnpm and bun run: what they run is run without them. Flags stand before
it; what comes after it is its own.`,
		Example: `  relevo run -i 4 app.js
  relevo run npm start
  relevo run -l :8080 -n 4 -- ./server
  relevo run -l :8080 -- node server.mjs
  relevo run -l web=:8080 -l unix:/run/app.sock,mode=0660 -- ./server --http-fd {fd:web}
  relevo run -l :8000 -- uvicorn --fd {fd} app:app`,
		Args: cobra.ArbitraryArgs,
	}
	cmd.Flags().SetInterspersed(false)
	flags := c.appFlags(cmd)
	cmd.Flags().BoolVar(&flags.background, "background", false, "of relevo start: output goes to files where nothing "+
		"else is set, and what a master that was killed has left is ended")
	cmd.Flags().MarkHidden("background")
	cmd.Flags().StringVar(&flags.succeeds, "succeed", "", "take this app over from its running master; used by startup")
	cmd.Flags().MarkHidden("succeed")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			flags.texts["command"] = args
		}
		return c.runMaster(cmd, flags, func(at place) (config.Sources, error) {
			defaults := c.container.fit(config.Default())
			if flags.background {
				defaults.Output = config.OutputFiles
			}
			return c.sources(flags, defaults, at)
		})
	}
	return cmd
}

// runMaster makes a master run after the command has returned. It looks for a legacy first: a
// successor gets its settings from the previous master, and calls read only for reloads.
func (c *cli) runMaster(cmd *cobra.Command, flags *appFlags, read func(at place) (config.Sources, error)) error {
	arrival, err := c.arrive()
	for _, places := range c.mayRunIn(flags.succeeds) {
		if err == nil {
			err = arrival.Succeed(cmd.Context(), places, flags.succeeds)
		}
	}
	if err != nil {
		return err
	}
	at, background := c.placeAfter(arrival, cmd, flags), flags.background
	c.last = func() error { return c.becomeMaster(arrival, at, read, background) }
	return nil
}

func (c *cli) becomeMaster(arrival *succession.Arrival, at place, read func(at place) (config.Sources, error),
	background bool) error {
	load := func() (config.App, []string, error) {
		sources, err := read(at)
		if err != nil {
			return config.App{}, nil, err
		}
		return resolve(sources)
	}
	var notes []string
	var err error
	app, succeeds := arrival.App()
	if !succeeds {
		app, notes, err = load()
	}
	if err == nil {
		err = c.serveApp(app, notes, at, arrival, load, background)
	}
	if control.ExitCode(err) == control.ExitConfig && !arrival.First() {
		// Exit code 6 would end the service for good, while workers of the previous master may
		// still serve.
		err = &control.Error{Message: err.Error(), Exit: control.ExitFailure}
	}
	return err
}

// loader reads an app's settings, with notes for the user.
type loader func() (app config.App, notes []string, err error)

// telling makes a reload log its notes, except those that were shown before.
func (l loader) telling(log *slog.Logger, told []string) func() (config.App, error) {
	return func() (config.App, error) {
		app, notes, err := l()
		if cannotRun := new(runtimeError); errors.As(err, &cannotRun) {
			err = control.WithExit(err, control.ExitRollFailed)
		}
		if err == nil && !slices.Equal(notes, told) {
			tell(log, notes)
			told = notes
		}
		return app, err
	}
}

func tell(log *slog.Logger, notes []string) {
	for _, note := range notes {
		log.Warn(note)
	}
}

// serveApp runs a master until it ends.
func (c *cli) serveApp(app config.App, notes []string, at place, arrival *succession.Arrival, load loader,
	background bool) error {
	c.logFormat, c.logLevel = string(app.LogFormat), app.LogLevel.String()
	stderr := newLogQueue(c.stderr)
	defer stderr.close()
	log, err := c.masterLog(app, stderr)
	if err != nil {
		return err
	}
	places := arrival.Places(c.places)
	files, log := c.openLogFiles(app, places.Logs(app.Name), log)
	defer files.close()
	useFewProcessors()
	rest := keepSmall()
	c.container.tell(log, app)
	tell(log, notes)
	if _, succeeds := arrival.App(); !succeeds {
		if err := c.comeAfter(app.After, log); errors.Is(err, errStoppedWaiting) {
			log.Info(err.Error())
			return nil
		}
	}
	var workerScore *int
	if score, ok := oomscore.Protect(); ok {
		workerScore = &score
	}
	return master.Run(context.Background(), master.Options{
		WorkerOOMScoreAdj: workerScore, Background: background,
		Arrival: arrival, Signals: c.signals, Terminal: isTerminal(c.stderr) || isTerminal(c.stdout),
		App: app, ConfigFile: at.file, Dir: at.dir, Places: places, Log: log,
		Streams: files.streams(c.journalStreams(app, c.streams(app.Output))), Version: version(), Build: ownBuild(),
		Load: load.telling(log, notes),
		Started: func(listeners []control.Listener) {
			c.greet(stderr, app, listeners)
			rest.served()
		},
		CloseLog: files.close, Worked: rest.worked,
	})
}

// resolve returns a valid app whose command is an executable, with notes for the user.
func resolve(sources config.Sources) (config.App, []string, error) {
	app, notes, err := withRuntime(sources)
	app, err = fitting(sources, app, err)
	return app, notes, err
}

// fitting adds an error if placeholders of the command do not fit the app's listeners.
func fitting(sources config.Sources, app config.App, err error) (config.App, error) {
	if err == nil {
		if key, wrong := checkPlaceholders(app); wrong != nil {
			err = sources.Blame(key, wrong)
		}
	}
	if cannotRun := new(runtimeError); errors.As(err, &cannotRun) {
		return app, cannotRun
	}
	return app, invalid(err)
}

// checkPlaceholders returns the key of the setting that the placeholders contradict.
func checkPlaceholders(app config.App) (key string, err error) {
	var names []string
	for _, l := range app.Listen {
		names = append(names, l.Name)
	}
	if err := launch.CheckArguments(app.Command, names); err != nil {
		return "command", err
	}
	return launch.CheckVariables(app.Env, names)
}

// streams chooses where the workers' output goes.
func (c *cli) streams(o config.Output) launch.Streams {
	if o == config.OutputInherit {
		return launch.Streams{Inherit: [2]*os.File{c.stdout, c.stderr}}
	}
	return launch.Streams{
		Out: c.stdout, Err: c.stderr, ColorOut: c.colorOut, ColorErr: c.color,
		TerminalOut: isTerminal(c.stdout), TerminalErr: isTerminal(c.stderr),
		PrefixOut: o == config.OutputPrefix || (o == config.OutputAuto && isTerminal(c.stdout)),
		PrefixErr: o == config.OutputPrefix || (o == config.OutputAuto && isTerminal(c.stderr)),
	}
}

// isTCP says whether the i-th listener is TCP. Captured listeners are not in the configuration and
// are known only by their addresses.
func isTCP(app config.App, i int, l control.Listener) bool {
	if l.Captured {
		_, _, err := net.SplitHostPort(l.Address)
		return err == nil && !strings.ContainsAny(l.Address[:1], "/@u")
	}
	return strings.HasPrefix(string(app.Listen[i].Network), "tcp")
}

// shownAddress is the address of the i-th listener, as a URL if a browser may open it.
func shownAddress(app config.App, i int, l control.Listener) string {
	if isTCP(app, i, l) {
		return phrase.URL(l.Address, "localhost")
	}
	return l.Address
}

// greet prints for a person at a terminal the app's addresses and useful commands.
func (c *cli) greet(to io.Writer, app config.App, listeners []control.Listener) {
	if !isTerminal(c.stderr) {
		return
	}
	for i, l := range listeners {
		fmt.Fprintf(to, "\n  %s %s\n", c.paint(c.color, bold, app.Name), shownAddress(app, i, l))
	}
	next := "relevo status %[1]s · relevo reload %[1]s · Ctrl-C stops, a second one forces"
	if app.Output == config.OutputFiles {
		next = "relevo logs -f %[1]s · " + next
	}
	fmt.Fprintf(to, "  %s\n\n", c.paint(c.color, dim, fmt.Sprintf(next, app.Name)))
}
