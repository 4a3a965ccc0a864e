package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"relevo/internal/apps"
	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/phrase"
	"relevo/internal/procfs"
	"relevo/systemd"
	"relevo/systemd/unit"
)

// runningApp is the state of an app before startup changes anything.
type runningApp struct {
	status  *control.Status // nil: the app does not run
	service string          // the systemd unit that runs it; empty: it runs in the background
}

// look finds out how an app runs. It refuses an app that runs under a unit of another name.
func (b *boot) look(ctx context.Context, name string) (r runningApp, err error) {
	client, err := b.connect(ctx, name)
	if control.ExitCode(err) == control.ExitNotRunning {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	status, err := client.Status(ctx)
	if err != nil {
		return r, err
	}
	service, user := systemd.ServiceOf(status.PID)
	if service != "" && (service != b.unit(name) || user != b.manager.User) {
		return r, fmt.Errorf("cannot set up the boot of %s: systemd runs it already, as %s", name, service)
	}
	return runningApp{&status, service}, nil
}

// environ returns the environment of the app's master, or of this process if none runs.
func (r runningApp) environ() []string {
	if r.status != nil {
		if env := procfs.Of(r.status.PID).Environ(); len(env) > 0 {
			return env
		}
	}
	return os.Environ()
}

// placedUnit is a unit file that was written, with what is needed to undo that.
type placedUnit struct {
	path  string
	fresh bool // the unit did not exist before
	undo  func() error
}

// place writes the unit of an app and makes systemd read it.
func (b *boot) place(d apps.Definition, env []string) (p placedUnit, err error) {
	former, err := b.former(d.Name)
	if err != nil {
		return p, err
	}
	app, err := b.appOf(d)
	if err != nil {
		return p, err
	}
	open, own := d.BootEnviron(env, b.places)
	file, err := unit.Boot{
		App: app, Name: d.Name, Program: b.program, Dir: d.Dir, Variables: open, User: b.manager.User,
		Arguments: d.Succeeding(), EnvFile: b.registry().EnvFile(d.Name), Systemd: systemd.Version(),
	}.File()
	if err != nil {
		return p, err
	}
	if err := b.registry().SaveEnv(d.Name, unit.Environment(own)); err != nil {
		return p, fmt.Errorf("cannot keep the variables of %s: %w", d.Name, err)
	}
	p = placedUnit{path: b.dirs[0] + "/" + file.Name, fresh: former.Path == ""}
	p.undo = func() error { return b.putBack(d.Name, former, p) }
	if err = file.Put(b.dirs[0]); err == nil {
		err = b.manager.Run("daemon-reload")
	}
	if err != nil {
		err = errors.Join(err, p.undo())
	}
	return p, err
}

// former returns the unit that relevo startup made for the app earlier. It refuses a unit of that
// name that something else has made.
func (b *boot) former(name string) (unit.Found, error) {
	found, err := unit.Find(b.dirs, name)
	switch {
	case err != nil:
		return found, err
	case found.Path == "", found.IsBoot():
		return found, nil
	case found.IsOurs():
		return found, fmt.Errorf("cannot set up the boot of %[1]s: relevo install has made %[2]s; relevo uninstall %[1]s "+
			"takes it away", name, found.Path)
	}
	return found, fmt.Errorf("cannot set up the boot of %[1]s: %[2]s is another program's unit; relevo delete %[1]s, "+
		"then start it with another --name", name, found.Path)
}

func (b *boot) putBack(name string, former unit.Found, p placedUnit) error {
	var err error
	if former.Path != "" {
		err = unit.File{Name: b.unit(name), Text: former.Text}.Put(b.dirs[0])
	} else {
		err = errors.Join(unit.Found{Path: p.path}.Take(), b.registry().ForgetEnv(name))
	}
	return errors.Join(err, b.manager.Run("daemon-reload"))
}

// appOf resolves the settings of a remembered app as its master does.
func (c *cli) appOf(d apps.Definition) (config.App, error) {
	cmd := &cobra.Command{}
	flags := c.appFlags(cmd)
	if err := cmd.Flags().Parse(d.Flags); err != nil {
		return config.App{}, fmt.Errorf("cannot read the flags of %s: %w", d.Name, err)
	}
	file, err := config.Load(d.Config, d.Dir)
	if err != nil {
		return config.App{}, invalid(err)
	}
	if file, err = selected(file, config.Selection{App: d.App, Profile: d.Profile}); err != nil {
		return config.App{}, err
	}
	if len(d.Command) > 0 && !d.Written {
		flags.texts["command"] = d.Command
	}
	defaults := c.container.fit(config.Default())
	defaults.Name = d.Name
	app, err := config.Sources{Defaults: defaults, File: file, Flags: flags.texts, Dir: d.Dir}.Resolve()
	return app, invalid(err)
}

// move makes systemd start a master that takes the app over from the master in the background. It
// reports how many workers kept serving.
func (b *boot) move(ctx context.Context, name string, before control.Status) (string, error) {
	err := b.begin(name)
	if err != nil {
		return "", err
	}
	client, err := b.connect(ctx, name)
	if err != nil {
		return "", err
	}
	after, err := client.Status(ctx)
	if err != nil {
		return "", err
	}
	if service, _ := systemd.ServiceOf(after.PID); service != b.unit(name) {
		return "", fmt.Errorf("cannot move %s under systemd: pid %d is still its master", name, after.PID)
	}
	same := sameWorkers(before, after)
	if same == len(before.Workers) {
		return "its " + phrase.Count(same, "worker") + " kept running", nil
	}
	return fmt.Sprintf("%d of its %s kept running", same, phrase.Count(len(before.Workers), "worker")), nil
}

// saidLines is how many lines of the journal are searched for the reason of a failure.
const saidLines = 50

// begin makes systemd start an app. The error quotes the master's log.
func (b *boot) begin(name string) error {
	err := b.manager.Run("start", b.unit(name))
	if err == nil {
		return nil
	}
	why := err.Error()
	for _, line := range b.manager.Said(b.unit(name), saidLines) {
		if words, said := strings.CutPrefix(line, "relevo: "); said {
			why = words
		}
	}
	// Without this, systemd would start the unit again and again.
	stopped := b.manager.Run("stop", b.unit(name))
	return errors.Join(&apps.FailedError{Name: name, Cause: strings.TrimPrefix(why, "cannot start: ")}, stopped)
}

// startManaged starts an app through the unit that relevo startup has made, if there is one. If
// systemd does not run, the app starts in the background, and the unit takes it over later.
func (c *cli) startManaged(d apps.Definition) (managed bool, err error) {
	b, err := c.newBoot()
	if err != nil {
		return false, nil // units cannot be placed here
	}
	found, err := unit.Find(b.dirs[:1], d.Name)
	if err != nil || !found.IsBoot() || b.manager.Check(c.getenv) != nil {
		return false, nil
	}
	placed, err := b.place(d, os.Environ())
	if err != nil {
		return true, permission(err)
	}
	if err := b.begin(d.Name); err != nil {
		return true, errors.Join(err, placed.undo())
	}
	return true, nil
}

// withdraw undoes place after a failed move. The master in the background still runs.
func (b *boot) withdraw(name string, p placedUnit) error {
	var err error
	if p.fresh {
		err = b.manager.Run("disable", b.unit(name))
	}
	return errors.Join(err, p.undo())
}
