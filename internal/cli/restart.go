package cli

import (
	"context"

	"github.com/spf13/cobra"

	"relevo/internal/apps"
	"relevo/internal/control"
	"relevo/pool"
)

func (c *cli) restart() *cobra.Command {
	var o control.ReloadOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use: "restart NAME…", GroupID: "talk", ValidArgsFunction: c.completeNames,
		Args:  between(1, 1000, "the NAME of each app"),
		Short: "Replace the workers of apps that run, start those that do not",
		Long: `Replace all workers of each app that runs, one by one, without losing a request, as
relevo reload does. An app that is remembered and does not run is started.`,
		Example: "  relevo restart web\n  relevo restart all",
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&o.Force, "force", false, "try bytes that failed before")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		return c.oneByOne(ctx, args, several{does: known, none: noneKnown}, asJSON, func(c *cli, name string) error {
			client, err := c.connect(ctx, name)
			if control.ExitCode(err) == control.ExitNotRunning {
				return c.startKnown(ctx, name, asJSON, err)
			}
			if err != nil {
				return err
			}
			return c.rollAndWait(ctx, client, asJSON, func() (pool.RollResult, error) { return client.Reload(ctx, o) })
		})
	}
	return cmd
}

// startKnown starts a remembered app that does not run; notRunning is the error for an app that is
// not remembered.
func (c *cli) startKnown(ctx context.Context, name string, asJSON bool, notRunning error) error {
	if d, err := c.registry().Load(name); err != nil || d == nil {
		return notRunning
	}
	again := &wish{cli: c, flags: &appFlags{}, at: place{dir: logicalDir(c.getenv)}}
	wanted, err := again.ofKnown(name)
	if err != nil {
		return err
	}
	return c.startTogether(ctx, []apps.Wanted{wanted}, asJSON)
}
