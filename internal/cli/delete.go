package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"relevo/internal/control"
	"relevo/internal/ipc"
	"relevo/internal/procfs"
	"relevo/systemd"
	"relevo/systemd/unit"
)

func (c *cli) delete() *cobra.Command {
	var purge, force bool
	cmd := c.talking("delete NAME…", "Stop apps and forget them; their files stay",
		func(ctx context.Context, args []string, asJSON bool) error {
			forget := func(ctx context.Context, name string) (said, error) {
				if err := c.deleteApp(ctx, name, force, purge); err != nil {
					return said{}, err
				}
				return said{text: name + " is deleted" + c.whatStays(name, purge),
					value: map[string]any{"name": name, "deleted": true, "purged": purge}}, nil
			}
			return c.each(ctx, args, asJSON, several{known, stopsAtATime, forget, noneKnown})
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

// refuseStartup refuses if the app would start again at boot.
func (c *cli) refuseStartup(name string) error {
	b, err := c.newBoot()
	if err != nil {
		return nil // units cannot be placed here
	}
	if found, err := unit.Find(b.dirs[:1], name); err == nil && found.IsBoot() {
		return fmt.Errorf("cannot delete %[1]s: it starts at boot, by %[2]s; relevo unstartup %[1]s keeps it from that, "+
			"then delete it", name, found.Path)
	}
	return nil
}

// refuseService refuses if systemd runs the app, because it would start it again.
func (c *cli) refuseService(ctx context.Context, client *control.Client) error {
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	service, user := systemd.ServiceOf(status.PID)
	manager := systemd.Manager{User: user}
	if service == "" || c.isLeft(manager, client.Name()) {
		return nil
	}
	return fmt.Errorf("cannot delete %s: systemd runs it as %s; %s ends it and keeps it from starting at boot, "+
		"then delete it",
		client.Name(), service, manager.Command("disable", "--now", service))
}

// isLeft says whether the app runs under a unit that relevo unstartup has disabled and left until
// the app stops.
func (c *cli) isLeft(manager systemd.Manager, name string) bool {
	left, err := unit.Find([]string{unit.RuntimeDir(manager.User, c.getenv)}, name)
	return err == nil && left.IsBoot()
}

// takeLeft removes such a unit after the app has stopped.
func (c *cli) takeLeft(name string) error {
	manager := systemd.Manager{User: os.Geteuid() != 0}
	left, err := unit.Find([]string{unit.RuntimeDir(manager.User, c.getenv)}, name)
	if err != nil || !left.IsBoot() {
		return err
	}
	if err := errors.Join(left.Take(), c.registry().ForgetEnv(name)); err != nil {
		return err
	}
	return manager.Run("daemon-reload")
}

// tellLeftBehind says which workers a master that was killed has left.
func (c *cli) tellLeftBehind(name string) {
	left := procfs.Eldest(procfs.StartedWith(ipc.EnvControl, c.places.ControlSocket(name)))
	if len(left) > 0 {
		fmt.Fprintf(c.stderr, "workers of %s run on, which its master has left when it was killed; this ends them: kill %s\n",
			name, strings.Trim(fmt.Sprint(left), "[]"))
	}
}

// removeStale removes the sockets that masters which were killed have left.
func (c *cli) removeStale(name string) (err error) {
	for _, places := range c.lookIn() {
		err = errors.Join(err, control.RemoveStale(places.ControlSocket(name), places.Lock(name)))
	}
	return err
}

// deleteApp stops an app if it runs, and forgets it.
func (c *cli) deleteApp(ctx context.Context, name string, force, purge bool) error {
	if err := checkName(name); err != nil {
		return err
	}
	known, unreadable := c.registry().Load(name)
	if err := c.refuseStartup(name); err != nil {
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
	case known == nil && unreadable == nil && !purge:
		return err
	default:
		c.tellLeftBehind(name)
		if err := c.removeStale(name); err != nil {
			return err
		}
	}
	if err := c.takeLeft(name); err != nil {
		return err
	}
	if purge {
		return c.purge(ctx, name)
	}
	return c.forget(name)
}

func (c *cli) forget(name string) error {
	if err := c.registry().Forget(name); err != nil {
		return fmt.Errorf("cannot forget %s: %w", name, err)
	}
	return nil
}
