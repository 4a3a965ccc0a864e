package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/web"
	"relevo/systemd"
	"relevo/systemd/unit"
)

// placeFlags are those of install and uninstall.
type placeFlags struct{ dryRun, now bool }

func (c *cli) install() *cobra.Command {
	var flags unitFlags
	var place placeFlags
	var force bool
	cmd := &cobra.Command{
		Use: "install [NAME]", GroupID: "systemd", Args: atMostOne("NAME"), ValidArgsFunction: c.completeOne,
		Short: "Put the systemd units of an app in place",
		Long: `Write the units that relevo unit prints to a directory that systemd reads, and make
systemd read them. Only --now starts and enables them. A running app keeps running. A
unit that relevo did not write is not replaced.

With --web it writes the unit of relevo web, the page of all apps, which listens on
` + web.DefaultAddress + ` unless --listen says otherwise. relevo web --token prints
the address with the token.`,
		Example: "  relevo install -c /etc/shop/relevo.toml --dry-run\n  sudo relevo install shop --socket --now\n" +
			"  sudo relevo install --web --now",
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&place.dryRun, "dry-run", false, "say what would be done, and do nothing")
	cmd.Flags().BoolVar(&place.now, "now", false, "enable and start the units, too")
	cmd.Flags().BoolVar(&force, "force", false, "replace units that relevo did not write")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		files, name, err := c.wantedFiles(cmd, flags, args)
		if err != nil {
			return err
		}
		return c.place(name, files, flags.user, force, place)
	}
	return cmd
}

func (c *cli) uninstall() *cobra.Command {
	var user, ofWeb bool
	var place placeFlags
	cmd := &cobra.Command{
		Use: "uninstall [NAME]", GroupID: "systemd", Args: atMostOne("NAME"), ValidArgsFunction: c.completeOne,
		Short: "Take the systemd units of an app away",
		Long: `Disable and remove the units that relevo install has put in place. A running app
keeps running unless --now stops it. Its state is kept.`,
	}
	cmd.Flags().BoolVar(&ofWeb, "web", false, "the unit of relevo web")
	cmd.Flags().BoolVar(&user, "user", false, "those of your own systemd (systemctl --user)")
	cmd.Flags().BoolVar(&place.dryRun, "dry-run", false, "say what would be done, and do nothing")
	cmd.Flags().BoolVar(&place.now, "now", false, "stop the app, too")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		name := first(args)
		if ofWeb {
			if name != "" {
				return usage(errors.New("cannot uninstall an app with --web: leave one of the two out"))
			}
			return c.place(unit.WebName, nil, user, false, place)
		}
		if name == "" {
			var err error
			if name, err = c.defaultName(); err != nil {
				return err
			}
		}
		if name == "" {
			return usage(errors.New("cannot tell which app is meant: there is no relevo.toml here; name one"))
		}
		if err := config.CheckName(name); err != nil {
			return usage(err)
		}
		return c.place(name, nil, user, false, place)
	}
	return cmd
}

// place writes these units of an app and removes all others of it.
func (c *cli) place(name string, files []unit.File, user, force bool, flags placeFlags) error {
	dirs, err := unit.Dirs(user, c.getenv)
	if err != nil {
		return err
	}
	plan, err := unit.Plan(dirs, name, files, force)
	if err != nil {
		return permission(err)
	}
	if len(plan) == 0 {
		return fmt.Errorf("cannot uninstall %s: relevo has written no unit of that name to %s", name, dirs[0])
	}
	removed, wanted := apart(plan)
	manager := systemd.Manager{User: user}
	if flags.dryRun {
		c.printPlanned(plan)
		if flags.now {
			c.printNow(manager, removed, wanted)
		}
		return nil
	}
	if err := manager.Check(c.getenv); err != nil {
		return err
	}
	// systemctl runs while it can still read the units that it has to undo.
	if len(removed) > 0 {
		if err := permission(manager.Run(enabling("disable", flags.now, removed)...)); err != nil {
			return err
		}
	}
	for _, change := range plan {
		if err := change.Apply(); err != nil {
			return permission(err)
		}
		fmt.Fprintln(c.stdout, done[change.Verb], change.Path)
	}
	if err := permission(manager.Run("daemon-reload")); err != nil {
		return err
	}
	if len(wanted) == 0 {
		return nil
	}
	if flags.now {
		return permission(manager.Run(enabling("enable", true, wanted)...))
	}
	_, err = fmt.Fprintln(c.stdout, "next:", manager.Command(enabling("enable", true, wanted)...))
	return err
}

// apart splits a plan into the names of units that it removes and of units that stay or come.
func apart(plan []unit.Change) (removed, wanted []string) {
	for _, change := range plan {
		if change.Verb == unit.Remove {
			removed = append(removed, change.Name)
		} else {
			wanted = append(wanted, change.Name)
		}
	}
	return removed, wanted
}

// done has for each verb the word for the finished action.
var done = map[unit.Verb]string{unit.Write: "written", unit.Keep: "unchanged", unit.Remove: "removed"}

func enabling(verb string, now bool, units []string) []string {
	args := []string{verb}
	if now {
		args = append(args, "--now")
	}
	return append(args, units...)
}

func (c *cli) printPlanned(plan []unit.Change) {
	for _, change := range plan {
		fmt.Fprintln(c.stdout, "would", change.Verb, change.Path)
		if change.Verb == unit.Write {
			fmt.Fprintln(c.stdout, "  │ "+strings.ReplaceAll(strings.TrimSuffix(change.Text, "\n"), "\n", "\n  │ "))
		}
	}
}

// printNow prints what --now would do in addition to a plan.
func (c *cli) printNow(manager systemd.Manager, removed, wanted []string) {
	if len(removed) > 0 {
		fmt.Fprintln(c.stdout, "would run", manager.Command(enabling("disable", true, removed)...))
	}
	if len(wanted) > 0 {
		fmt.Fprintln(c.stdout, "would run", manager.Command(enabling("enable", true, wanted)...))
	}
}

// permission gives an error for lack of permission its exit code.
func permission(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, systemd.ErrDenied) {
		return control.WithExit(fmt.Errorf("%w; run it as root, or for your own systemd with --user", err),
			control.ExitNotPermitted)
	}
	return err
}
