package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/systemd"
	"relevo/systemd/unit"
)

// unitFlags choose which units are made.
type unitFlags struct {
	config        string
	user, sockets bool
	web           webUnit
}

func (f *unitFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.config, "config", "c", config.DefaultFile, "configuration `FILE` of the app")
	cmd.Flags().BoolVar(&f.user, "user", false, "for your own systemd (systemctl --user)")
	cmd.Flags().BoolVar(&f.sockets, "socket", false, "let systemd open the listening sockets: .socket units")
	f.web.add(cmd)
}

func (c *cli) unit() *cobra.Command {
	var flags unitFlags
	cmd := &cobra.Command{
		Use: "unit [NAME]", GroupID: "systemd", Args: atMostOne("NAME"), ValidArgsFunction: c.completeOne,
		Short: "Print the systemd units that run an app",
		Long: `Print the systemd units that run the app of a configuration file: a hardened
.service, and with --socket a .socket for each listener. NAME names the units and
the app (default: that of the file). With --web it is the unit of relevo web, for
all apps. relevo install puts them in place.`,
		Example: "  relevo unit -c /etc/shop/relevo.toml\n  relevo unit --socket shop | less\n  relevo unit --web",
	}
	flags.add(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		files, _, err := c.wantedFiles(cmd, flags, args)
		if err != nil {
			return err
		}
		for i, f := range files {
			if len(files) > 1 {
				fmt.Fprintf(c.stdout, "%s# %s\n", strings.Repeat("\n", min(i, 1)), f.Name)
			}
			if _, err := fmt.Fprint(c.stdout, f.Text); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

// unitFiles makes the units of a configuration file. RELEVO_ variables do not count, because
// systemd does not pass them on.
func (c *cli) unitFiles(flags unitFlags, name string) (files []unit.File, app string, err error) {
	dir := logicalDir(c.getenv)
	file, err := config.Load(flags.config, dir)
	if err != nil {
		return nil, "", invalid(err)
	}
	selection, chosen := config.Selection{}, []string(nil)
	if len(file.Apps()) > 0 && name != "" {
		selection.App, chosen = name, []string{"--app", name}
	}
	if file, err = selected(file, selection); err != nil {
		return nil, "", err
	}
	sources := config.Sources{Defaults: config.Default(), File: file, Dir: dir}
	resolved, err := asWritten(sources)
	if err != nil {
		return nil, "", err
	}
	if name == "" {
		name = resolved.Name
	}
	program, err := ownProgram()
	if err != nil {
		return nil, "", err
	}
	path := flags.config
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	files, err = unit.Files(unit.Options{
		App: resolved, Name: name, Program: program, Config: path, User: flags.user, Flags: chosen, Sockets: flags.sockets,
		Systemd: systemd.Version(),
	})
	return files, name, usage(err)
}

// ownProgram is the path by which this program was called. An upgrade puts the new program at that
// path, while the kernel only names the old file.
func ownProgram() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("cannot find this program's own file: %w", err)
	}
	called, err := exec.LookPath(os.Args[0])
	if err == nil {
		called, err = filepath.Abs(called)
	}
	if err == nil && sameFile(called, self) {
		return called, nil
	}
	return self, nil
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// reap runs from the unit's ExecStopPost= after its master has ended.
func (c *cli) reap() *cobra.Command {
	o := systemd.ReapOptions{Getenv: c.getenv, Prevents: []string{fmt.Sprint(control.ExitConfig)}}
	var guard bool
	cmd := &cobra.Command{Use: reapVerb, Hidden: true, Args: noArguments}
	c.durationFlag(cmd, &o.Patience, "patience", "time from SIGTERM to SIGKILL")
	cmd.Flags().BoolVar(&guard, "guard", false, "wait for the next master")
	cmd.RunE = func(*cobra.Command, []string) error {
		self, err := os.Executable()
		if err != nil {
			return errors.New("cannot find this program's own file")
		}
		o.Guard = []string{self, reapVerb, "--guard", "--patience", o.Patience.String()}
		do := func() (int, error) { return systemd.Reap(o) }
		if guard {
			do = func() (int, error) { return systemd.Guard(o.Patience) }
		}
		ended, err := do()
		if err == nil && ended > 0 {
			_, err = fmt.Fprintf(c.stdout, "ended what a dead master had left: %d in all\n", ended)
		}
		return err
	}
	return cmd
}

const reapVerb = "__reap"
