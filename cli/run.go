package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"relevo/config"
	"relevo/control"
	"relevo/internal/oomscore"
	"relevo/launch"
	"relevo/master"
)

func (c *cli) run() *cobra.Command {
	cmd := &cobra.Command{
		Use: "run [flags] [--] [COMMAND ARG…]", GroupID: "start",
		Short: "Run a command as a pool of workers, in the foreground",
		Long: `Run a command as a pool of workers, in the foreground.

Each worker inherits the listening sockets from descriptor 3 on, the way systemd
passes them (LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES). Arguments may hold {fd},
{fd:NAME}, {addr}, {addr:NAME} and {slot}.

Signals: HUP reloads (where the terminal has gone it is a stop), TERM, INT and
QUIT stop gracefully (a second one, half a second later or more, forces), TTIN
and TTOU add and take away a worker, USR2 replaces relevo itself. Settings come
from flags, from RELEVO_FLAG_NAME in the environment and from relevo.toml; the
first of these that has one wins. Without COMMAND that of the file is run.`,
		Example: `  relevo run -l :8080 -n 4 -- ./server
  relevo run -l :8080 -- node server.mjs
  relevo run -l web=:8080 -l unix:/run/app.sock,mode=0660 -- ./server --http-fd {fd:web}
  relevo run -l :8000 -- uvicorn --fd {fd} app:app`,
		Args: cobra.ArbitraryArgs,
	}
	cmd.Flags().SetInterspersed(false)
	flags := c.appFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			flags.texts["command"] = args
		}
		return c.runMaster(cmd, flags, func(at place) (config.Sources, error) {
			return c.sources(flags, c.container.fit(config.Default()), at)
		})
	}
	return cmd
}

// runMaster looks at what it inherits before anything else: what a successor goes on
// with it knows from the previous master, and what read returns is for reloads then.
func (c *cli) runMaster(cmd *cobra.Command, flags *appFlags, read func(at place) (config.Sources, error)) error {
	arrival, err := c.arrive()
	if err != nil {
		return err
	}
	at := c.placeAfter(arrival, cmd, flags)
	load := func() (config.App, error) {
		sources, err := read(at)
		if err != nil {
			return config.App{}, err
		}
		return resolve(sources)
	}
	app, succeeds := arrival.App()
	if !succeeds {
		app, err = load()
	}
	if err == nil {
		err = c.serveApp(app, at, arrival, load)
	}
	if control.ExitCode(err) == control.ExitConfig && !arrival.First() {
		// That code ends the service, and workers of the previous master may serve.
		err = &control.Error{Message: err.Error(), Exit: control.ExitFailure}
	}
	return err
}

// serveApp is a master's life.
func (c *cli) serveApp(app config.App, at place, arrival *master.Arrival, load func() (config.App, error)) error {
	c.logFormat, c.logLevel = string(app.LogFormat), app.LogLevel.String()
	stderr := newLogQueue(c.stderr)
	defer stderr.close()
	log, err := c.logger(stderr)
	if err != nil {
		return err
	}
	// The master allocates little and seldom; a tighter heap keeps it small beside
	// many workers, whose own GOGC is not touched.
	debug.SetGCPercent(masterGC)
	c.container.tell(log, app)
	var workerScore *int
	if score, ok := oomscore.Protect(); ok {
		workerScore = &score
	}
	return master.Run(context.Background(), master.Options{
		WorkerOOMScoreAdj: workerScore,
		Arrival:           arrival, Signals: c.signals, Terminal: isTerminal(c.stderr) || isTerminal(c.stdout),
		App: app, ConfigFile: at.file, Dir: at.dir, Places: arrival.Places(c.places), Log: log, Streams: c.streams(app.Output), Version: version(),
		Load:    load,
		Started: func(listeners []control.Listener) { c.greet(stderr, app, listeners) },
	})
}

// masterGC is GOGC of the master.
const masterGC = 40

// resolve returns a valid app whose placeholders name its listeners.
func resolve(sources config.Sources) (config.App, error) {
	app, err := sources.Resolve()
	if err == nil {
		if key, wrong := checkPlaceholders(app); wrong != nil {
			err = sources.Blame(key, wrong)
		}
	}
	return app, invalid(err)
}

func reload(sources config.Sources) (config.App, error) {
	sources, err := sources.Reread()
	if err != nil {
		return config.App{}, invalid(err)
	}
	return resolve(sources)
}

// checkPlaceholders returns the key of the setting that it does not agree with.
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

// streams chooses what becomes of the workers' output.
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

// greet tells a person at a terminal where to look and what to type.
func (c *cli) greet(to io.Writer, app config.App, listeners []control.Listener) {
	if !isTerminal(c.stderr) {
		return
	}
	for i, l := range listeners {
		address := l.Address
		if network := app.Listen[i].Network; strings.HasPrefix(string(network), "tcp") {
			address = "http://" + browsable(l.Address)
		}
		fmt.Fprintf(to, "\n  %s %s\n", c.paint(c.color, bold, app.Name), address)
	}
	fmt.Fprintf(to, "  %s\n\n", c.paint(c.color, dim,
		fmt.Sprintf("relevo status %[1]s · relevo reload %[1]s · Ctrl-C stops, a second one forces", app.Name)))
}
