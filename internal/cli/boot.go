package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"slices"

	"github.com/spf13/cobra"

	"relevo/internal/apps"
	"relevo/internal/control"
	"relevo/pool"
	"relevo/systemd"
	"relevo/systemd/unit"
)

func (c *cli) startup() *cobra.Command {
	cmd := c.talking("startup [NAME…]", "Start apps at boot, by units of systemd",
		func(ctx context.Context, args []string, asJSON bool) error {
			b, err := c.newBoot()
			if err == nil {
				err = b.ready()
			}
			if err != nil {
				return err
			}
			if len(args) == 0 {
				if args, err = b.everyApp(); err != nil {
					return err
				}
			}
			err = c.each(ctx, args, asJSON, several{does: remembered, do: b.setUp, none: noneKnown})
			if err != nil || !b.manager.User {
				return err
			}
			return b.linger(asJSON)
		})
	cmd.GroupID = "systemd"
	cmd.Long = `Start apps at boot: relevo startup makes a unit of systemd for each app that is
remembered, or for each app that you name. A running app is not restarted: the master
that systemd starts takes its workers over from the master in the background, and no
request is lost. An app that does not run is not started now.

Root makes units of the machine, another user units of the user's own systemd. That
starts at boot only if the user lingers (loginctl enable-linger), which startup
enables. The unit keeps the variables of the app's start, without those of a session.`
	cmd.Example = "  relevo startup\n  sudo relevo startup web"
	return severalArgs(cmd)
}

func (c *cli) unstartup() *cobra.Command {
	cmd := c.talking("unstartup [NAME…]", "Undo relevo startup; running apps keep running",
		func(ctx context.Context, args []string, asJSON bool) error {
			b, err := c.newBoot()
			if err == nil {
				err = b.manager.Check(c.getenv)
			}
			if err != nil {
				return err
			}
			if len(args) == 0 {
				args = []string{"all"}
			}
			return c.each(ctx, args, asJSON, several{does: b.isSetUp, do: b.undo, none: "no apps start at boot"})
		})
	cmd.GroupID = "systemd"
	cmd.Long = `Remove the units that relevo startup has made. Running apps keep running under systemd
until they are stopped; after that, relevo start runs them in the background again.`
	return severalArgs(cmd)
}

func remembered(a apps.App) bool { return a.Definition != nil }

// boot keeps the units that start apps at boot.
type boot struct {
	*cli
	manager systemd.Manager
	dirs    []string // of units; relevo's are written to the first
	program string
}

func (c *cli) newBoot() (*boot, error) {
	b := &boot{cli: c, manager: systemd.Manager{User: os.Geteuid() != 0}}
	var err error
	if b.dirs, err = unit.Dirs(b.manager.User, c.getenv); err == nil {
		b.program, err = ownProgram()
	}
	return b, err
}

// ready returns an error if no unit can be made here; the error says what to do instead.
func (b *boot) ready() error {
	if err := b.refuseBackground(os.Getpid(), os.Getppid()); err != nil {
		return err
	}
	if err := b.manager.Check(b.getenv); err != nil {
		_, missing := exec.LookPath("openrc")
		return fmt.Errorf("%w\n  %s", err, withoutSystemd(b.program, missing == nil && !b.manager.User))
	}
	return nil
}

// withoutSystemd says what starts the apps at boot instead.
func withoutSystemd(program string, openRC bool) string {
	if openRC {
		return fmt.Sprintf(`with OpenRC these commands make the apps start at boot:
  printf '#!/bin/sh\n%s start --all\n' >/etc/local.d/relevo.start
  chmod +x /etc/local.d/relevo.start
  rc-update add local default`, program)
	}
	return fmt.Sprintf("without systemd this line starts the apps at boot (crontab -e): @reboot %s start --all", program)
}

// everyApp lists the apps that relevo startup sets up when none is named.
func (b *boot) everyApp() ([]string, error) {
	names, err := b.registry().Names()
	if err != nil || len(names) > 0 {
		return names, err
	}
	if ann := b.getenv("SUDO_USER"); ann != "" && ann != "root" && !b.manager.User {
		return nil, fmt.Errorf("cannot set up the boot: root has started no app; those of %s come back by relevo startup "+
			"without sudo", ann)
	}
	return nil, errors.New("cannot set up the boot: no app is remembered; relevo start app.js starts and remembers one")
}

// linger makes systemd start a user's units at boot, before the user logs in.
func (b *boot) linger(asJSON bool) error {
	self, err := user.Current()
	if err != nil {
		return fmt.Errorf("cannot find this user's name: %w", err)
	}
	said := self.Username + " lingers already: the apps start at boot, and outlive a logout"
	if !systemd.Lingers(self.Username) {
		if err := systemd.Linger(self.Username); err != nil {
			return control.WithExit(fmt.Errorf("cannot make the apps start before %[1]s logs in: %[2]w; "+
				"sudo loginctl enable-linger %[1]s does", self.Username, err), control.ExitNotPermitted)
		}
		said = self.Username + " lingers from now on: the apps start at boot, and outlive a logout"
	}
	if !asJSON {
		_, err = fmt.Fprintln(b.stdout, said)
	}
	return err
}

// isSetUp says whether relevo startup has made a unit for the app.
func (b *boot) isSetUp(a apps.App) bool {
	found, err := unit.Find(b.dirs[:1], a.Name)
	return err == nil && found.IsBoot()
}

// setUp makes one app start at boot.
func (b *boot) setUp(ctx context.Context, name string) (said, error) {
	d, err := b.registry().Load(name)
	switch {
	case err != nil:
		return said{}, err
	case d == nil:
		return said{}, &control.Error{Message: fmt.Sprintf("cannot set up the boot of %[1]s: it was not started in the "+
			"background; relevo start does that, relevo install makes a unit of a relevo.toml", name),
			Exit: control.ExitNotRunning}
	}
	running, err := b.look(ctx, name)
	if err != nil {
		return said{}, err
	}
	placed, err := b.place(*d, running.environ())
	if err != nil {
		return said{}, permission(err)
	}
	if err := permission(b.manager.Run("enable", b.unit(name))); err != nil {
		return said{}, errors.Join(err, placed.undo())
	}
	text := fmt.Sprintf("%s starts at boot: %s", name, placed.path)
	value := map[string]any{"name": name, "unit": placed.path, "moved": false}
	switch {
	case running.status == nil:
		text += "; it does not run now"
	case running.service != "":
		text += "; systemd runs it already"
	default:
		kept, err := b.move(ctx, name, *running.status)
		if err != nil {
			return said{}, errors.Join(err, b.withdraw(name, placed))
		}
		text += fmt.Sprintf("; systemd runs it now, and %s", kept)
		value["moved"] = true
	}
	return said{text: text, value: value}, nil
}

// undo removes the unit of an app.
func (b *boot) undo(ctx context.Context, name string) (said, error) {
	found, err := unit.Find(b.dirs[:1], name)
	if err != nil {
		return said{}, err
	}
	if !found.IsBoot() {
		return said{}, fmt.Errorf("cannot undo the startup of %[1]s: relevo startup has made no unit for it in %[2]s", name,
			b.dirs[0])
	}
	running, err := b.look(ctx, name)
	if err != nil {
		return said{}, err
	}
	if err := b.takeAway(name, found, running.service != ""); err != nil {
		return said{}, permission(err)
	}
	text := name + " does not start at boot any more"
	if running.status != nil {
		text += "; it keeps running until it is stopped"
	}
	return said{text: text, value: map[string]any{"name": name, "removed": found.Path}}, nil
}

// takeAway removes a unit. While systemd runs the app, a copy stays in systemd's runtime directory
// until the next boot: without it systemd would not know how to stop the master.
func (b *boot) takeAway(name string, found unit.Found, runs bool) error {
	if err := b.manager.Run("disable", b.unit(name)); err != nil {
		return err
	}
	if runs {
		file := unit.File{Name: b.unit(name), Text: found.Text}
		if err := file.Put(unit.RuntimeDir(b.manager.User, b.getenv)); err != nil {
			return err
		}
	}
	if err := found.Take(); err != nil {
		return err
	}
	if !runs {
		if err := b.registry().ForgetEnv(name); err != nil {
			return fmt.Errorf("cannot remove the variables of %s: %w", name, err)
		}
	}
	return b.manager.Run("daemon-reload")
}

func (b *boot) unit(name string) string { return name + ".service" }

// sameWorkers counts the workers that serve in both.
func sameWorkers(before, after control.Status) (same int) {
	for _, w := range before.Workers {
		if slices.ContainsFunc(after.Workers, func(o pool.Worker) bool { return o.PID == w.PID && w.PID > 0 }) {
			same++
		}
	}
	return same
}
