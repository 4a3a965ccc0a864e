package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/systemd"
)

func (c *cli) delete() *cobra.Command {
	var purge, force bool
	cmd := c.talking("delete NAME…", "Stop apps and forget them; their files stay",
		func(ctx context.Context, args []string, asJSON bool) error {
			return c.each(ctx, args, asJSON, several{known, stopsAtATime, func(ctx context.Context, name string) (said, error) {
				if err := c.deleteApp(ctx, name, force, purge); err != nil {
					return said{}, err
				}
				return said{name + " is deleted" + c.whatStays(name, purge),
					map[string]any{"name": name, "deleted": true, "purged": purge}}, nil
			}})
		})
	cmd.Aliases = []string{"del", "rm"}
	cmd.Args = between(1, 1000, "the NAME of each app")
	cmd.Long = `Stop an app gracefully, and forget how it is started. Its releases and its log stay
in the state directory unless --purge removes them.`
	cmd.Flags().BoolVar(&purge, "purge", false, "remove its releases, its log and all else that is kept of it, too")
	cmd.Flags().BoolVar(&force, "force", false, "kill the workers instead of letting them finish")
	return cmd
}

func (c *cli) whatStays(name string, purge bool) string {
	if purge {
		return ", and so is what was kept of it"
	}
	return "; its files stay in " + c.places.AppState(name)
}

// refuseService says that systemd keeps an app, which would start it again.
func (c *cli) refuseService(ctx context.Context, client *control.Client) error {
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	unit, user := systemd.ServiceOf(status.PID)
	if unit == "" {
		return nil
	}
	manager := systemd.Manager{User: user}
	return fmt.Errorf("cannot delete %s: systemd runs it as %s; %s ends it and keeps it from starting at boot, "+
		"then delete it",
		client.Name(), unit, manager.Command("disable", "--now", unit))
}

// deleteApp ends an app that runs and forgets it.
func (c *cli) deleteApp(ctx context.Context, name string, force, purge bool) error {
	if err := config.CheckName(name); err != nil {
		return usage(err)
	}
	known, err := c.registry().Load(name)
	if err != nil {
		return err
	}
	client, err := c.connect(ctx, name)
	switch {
	case err == nil:
		if err := c.refuseService(ctx, client); err != nil {
			return err
		}
		if err := c.stopApp(ctx, client, force, true); err != nil {
			return err
		}
	case control.ExitCode(err) != control.ExitNotRunning:
		return err
	case known == nil && !purge:
		return err
	}
	if err := c.registry().Forget(name); err != nil {
		return fmt.Errorf("cannot forget %s: %w", name, err)
	}
	if purge {
		return c.registry().Purge(name)
	}
	return nil
}
