// Package cli is the command line: it reads flags and arguments, calls, and
// prints. It has no logic of its own.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/master"
	"relevo/internal/printable"
	"relevo/internal/succession"
)

// Main runs one command and returns the exit code of the program.
func Main(args []string, stdin io.Reader, stdout, stderr *os.File) int {
	debug.SetGCPercent(commandGC)
	c := &cli{
		signals: master.ReplacedSignals(), // before anything else, so that no signal is lost
		stdin:   stdin, stdout: stdout, stderr: stderr, getenv: os.Getenv,
		places:    config.FindPlaces(os.Getenv, os.Geteuid(), config.UsableDir),
		arrive:    succession.Arrive,
		container: findContainer(os.Getpid(), os.Getppid(), processName, os.Getenv),
		color:     useColor(stderr, os.Getenv), colorOut: useColor(stdout, os.Getenv),
	}
	if len(args) == 1 && args[0] == succession.CheckVerb {
		return c.checkLegacy()
	}
	root := c.rootFor(args)
	root.SetArgs(proxyAddress(scaleDown(startScript(root, args))))
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	refuseUnknown(root)
	err := root.ExecuteContext(context.Background())
	if err == nil && c.last != nil {
		err = c.last()
	}
	var quiet *exitOnly
	switch {
	case err == nil:
		return control.ExitOK
	case errors.As(err, &quiet):
		return quiet.code
	}
	fmt.Fprintln(stderr, c.paint(c.color, red, "relevo:"), printable.Text(err.Error()))
	return control.ExitCode(err)
}

// cli is what every command uses of its surroundings.
type cli struct {
	stdin               io.Reader
	stdout, stderr      *os.File
	getenv              func(string) string
	places              config.Places
	container           container
	color, colorOut     bool // of stderr and stdout
	logFormat, logLevel string
	arrive              func() (*succession.Arrival, error)
	collect             func(any)      // called with each value instead of printing it as JSON; nil: it is printed
	signals             chan os.Signal // signals that arrived before the master exists; nil: none are collected
	last                func() error   // called after the command, without its flags; nil: nothing
}

// exitOnly ends the program with a code and prints nothing.
type exitOnly struct{ code int }

func (e *exitOnly) Error() string { return fmt.Sprintf("exit code %d", e.code) }

const rootLong = `relevo keeps a pool of worker processes behind listening sockets that it holds
itself, and replaces workers, releases and crashed processes while the sockets
never close.`

const rootExample = `  relevo serve                               the built-in worker: watch a roll in the browser
  relevo run -l :8080 -n 4 -- ./server       your program, which takes the socket it inherits
  relevo reload                              replace all workers, one by one, without losing a request
  relevo prove --url http://127.0.0.1:8080   load the app while it is rolled, and count`

// root has every command.
func (c *cli) root() *cobra.Command {
	root := c.bareRoot()
	root.AddCommand(
		c.start(), c.initialize(), c.importFile(), c.run(), c.serve(), c.dev(), c.builtinWorker(), c.terminalGuard(),
		c.status(), c.list(), c.monit(), c.reload(), c.promote(), c.abort(), c.upgrade(), c.rollback(), c.releases(),
		c.scale(), c.stop(), c.restart(), c.delete(), c.wait(), c.describe(), c.explain(), c.env(),
		c.events(), c.logs(), c.flush(), c.send(), c.signal(), c.prove(), c.web(),
		c.startup(), c.unstartup(), c.unit(), c.install(), c.uninstall(), c.reap(),
		c.check(), c.doctor(), c.version(),
	)
	c.completeFlags(root)
	return root
}

// rootFor has only the command that the arguments name, if it is a command that runs for each app of
// a machine or runs often: a master keeps its commands in memory as long as it runs, and making all
// of them takes a millisecond.
func (c *cli) rootFor(args []string) *cobra.Command {
	if len(args) == 0 {
		return c.root()
	}
	root := c.bareRoot()
	switch args[0] {
	case "run":
		root.AddCommand(c.run())
	case "start":
		root.AddCommand(c.start())
	case "list", "ls", "ps":
		root.AddCommand(c.list())
	case "status":
		root.AddCommand(c.status())
	default:
		return c.root()
	}
	return root
}

func (c *cli) bareRoot() *cobra.Command {
	root := &cobra.Command{
		Use:          "relevo",
		Short:        "A zero-downtime process master",
		Long:         rootLong,
		Example:      rootExample,
		Version:      version(),
		SilenceUsage: true,
		// Without this, cobra suggests nothing.
		SuggestionsMinimumDistance: 2,
		SilenceErrors:              true,
		Args:                       unknownCommand,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	root.AddGroup(&cobra.Group{ID: "start", Title: "Start a master:"},
		&cobra.Group{ID: "talk", Title: "Talk to a running master:"},
		&cobra.Group{ID: "systemd", Title: "Run under systemd:"})
	return root
}

func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return control.WithExit(notFound(args, cmd.SuggestionsFor(args[0])), control.ExitUsage)
}

// usage marks an error as a mistake on the command line.
func usage(err error) error { return control.WithExit(err, control.ExitUsage) }

// Commands returns all commands, for the program that makes their man pages and completions.
func Commands() *cobra.Command { return (&cli{getenv: os.Getenv}).root() }
