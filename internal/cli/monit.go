package cli

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"relevo/internal/apps"
	"relevo/internal/machineview"
	"relevo/internal/monit"
	"relevo/internal/monit/feed"
)

func (c *cli) monit() *cobra.Command {
	cmd := &cobra.Command{
		Use: "monit [NAME]", GroupID: "talk", Args: atMostOne("NAME"), ValidArgsFunction: c.completeNames,
		Short: "Watch all apps on the terminal, and act on them",
		Long: `Show all apps of this machine and, of the chosen one, its workers, generations, load,
log and events, twice a second. Keys and the mouse choose an app or a slot; r rolls,
R rolls back, + and - scale, d replaces a worker, ? lists all keys, q quits. What takes
something away asks first. The terminal has 60 columns and 20 lines at least.`,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return c.showMonit(cmd.Context(), first(args)) }
	return cmd
}

func (c *cli) showMonit(ctx context.Context, name string) error {
	in, isFile := c.stdin.(*os.File)
	switch {
	case !isTerminal(c.stdout):
		return noTerminal("standard output is no terminal")
	case !isFile || !isTerminal(in):
		return noTerminal("standard input is no terminal")
	case c.getenv("TERM") == "dumb":
		return noTerminal("TERM is dumb")
	}
	if name == "" {
		name, _ = c.defaultName()
	} else if _, err := c.describeApp(ctx, name); err != nil {
		return err
	}
	defer watchSmall()()
	ctx, cancel := context.WithCancel(ctx)
	viewer, wait := c.watcher(ctx)
	defer func() { cancel(); wait() }()
	f := &feed.Feed{Viewer: viewer, Connect: c.connect, LogDir: c.places.Logs}
	defer f.Close()
	return monit.Run(ctx, monit.Options{In: in, Out: c.stdout, Env: os.Environ(), Source: f, App: name})
}

// watcher returns a Viewer of all apps. A master that does not answer delays a look only for a
// short time. All requests end with ctx; wait returns when they have ended.
func (c *cli) watcher(ctx context.Context) (viewer *machineview.Viewer, wait func()) {
	names, ask := c.askApps()
	masters := machineview.AskMasters(ctx, names, ask)
	viewer = machineview.NewViewer(func(ctx context.Context) ([]apps.App, error) {
		return masters.Measured(ctx, monit.LookEvery)
	})
	viewer.Connections = feed.Sparing(viewer.Connections)
	return viewer, masters.Wait
}

func noTerminal(why string) error {
	return usage(errors.New("cannot show monit: " + why + "; relevo list --watch and relevo status --watch print"))
}
