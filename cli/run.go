package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"relevo/config"
	"relevo/control"
	"relevo/launch"
	"relevo/master"
)

type durationValue = time.Duration

type signalValue syscall.Signal

func (s signalValue) String() string {
	return strings.TrimPrefix(config.SignalName(syscall.Signal(s)), "SIG")
}

func parseSignalValue(text string) (signalValue, error) {
	sig, err := config.ParseSignal(text)
	return signalValue(sig), err
}

func (c *cli) run() *cobra.Command {
	app := config.Default()
	cmd := &cobra.Command{
		Use: "run [flags] [--] COMMAND ARG…", GroupID: "start",
		Short: "Run a command as a pool of workers, in the foreground",
		Long: `Run a command as a pool of workers, in the foreground.

Each worker inherits the listening sockets from descriptor 3 on, the way systemd
passes them (LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES). Arguments may hold {fd},
{fd:NAME}, {addr}, {addr:NAME} and {slot}.

Signals: HUP rolls, TERM and INT stop gracefully (a second one forces), TTIN and
TTOU add and take away a worker. Every flag may be given as RELEVO_FLAG_NAME in
the environment; a flag wins.`,
		Example: `  relevo run -l :8080 -n 4 -- ./server
  relevo run -l :8080 -- node server.mjs
  relevo run -l web=:8080 -l unix:/run/app.sock,mode=0660 -- ./server --http-fd {fd:web}
  relevo run -l :8000 -- gunicorn --bind fd://{fd} app:app`,
		Args: cobra.ArbitraryArgs,
	}
	cmd.Flags().SetInterspersed(false)
	c.appFlags(cmd, &app)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := c.fromEnvironment(cmd, appLists...); err != nil {
			return err
		}
		app.Command = args
		return c.runMaster(app)
	}
	return cmd
}

func (c *cli) runMaster(app config.App) error {
	if app.Name == "" {
		app.Name = config.NameFor(app.Command)
	}
	app.Dir = logicalDir(c.getenv)
	config.NameListeners(app.Listen)
	if err := checkApp(&app); err != nil {
		return usage(err)
	}
	stderr := newLogQueue(c.stderr)
	defer stderr.close()
	log, err := c.logger(stderr)
	if err != nil {
		return err
	}
	// The master allocates little and seldom; a tighter heap keeps it small beside
	// many workers, whose own GOGC is not touched.
	debug.SetGCPercent(masterGC)
	return master.Run(context.Background(), master.Options{
		App: app, Places: c.places, Log: log, Streams: c.streams(app.Output), Version: version(),
		Started: func(listeners []control.Listener) { c.greet(stderr, app, listeners) },
	})
}

// masterGC is GOGC of the master.
const masterGC = 40

func checkApp(app *config.App) error {
	var names []string
	for _, l := range app.Listen {
		names = append(names, l.Name)
	}
	if err := app.Validate(); err != nil {
		return err
	}
	return launch.CheckArguments(app.Command, names)
}

// logicalDir is the working directory as the user entered it: through a symbolic
// link such as "current", where there is one. The kernel knows only where the
// link pointed to at that time.
func logicalDir(getenv func(string) string) string {
	dir := getenv("PWD")
	if here, err := os.Stat("."); err == nil && filepath.IsAbs(dir) {
		if there, err := os.Stat(dir); err == nil && os.SameFile(here, there) {
			return dir
		}
	}
	dir, err := os.Getwd()
	if err != nil {
		return "."
	}
	return dir
}

// streams chooses what becomes of the workers' output.
func (c *cli) streams(o config.Output) launch.Streams {
	if o == config.OutputInherit {
		return launch.Streams{Inherit: [2]*os.File{c.stdout, c.stderr}}
	}
	return launch.Streams{
		Out: c.stdout, Err: c.stderr, ColorOut: c.colorOut, ColorErr: c.color,
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
		fmt.Sprintf("relevo status %[1]s · relevo reload %[1]s · Ctrl-C stops, twice at once", app.Name)))
}
