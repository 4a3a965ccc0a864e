package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"relevo/internal/apps"
	"relevo/internal/control"
	"relevo/systemd"
)

// described is what `relevo describe --json` prints.
type described struct {
	Name       string           `json:"name"`
	State      apps.State       `json:"state"`
	Definition *apps.Definition `json:"definition,omitempty"`
	Service    string           `json:"service,omitempty"` // the systemd unit that runs it
	Log        string           `json:"log,omitempty"`
	StateDir   string           `json:"state_directory"`
	Status     *control.Status  `json:"status,omitempty"`
}

func (c *cli) describe() *cobra.Command {
	cmd := c.talking("describe NAME…", "Show everything about apps, running or not",
		func(ctx context.Context, args []string, asJSON bool) error {
			show := func(ctx context.Context, name string) (said, error) {
				d, err := c.describeApp(ctx, name)
				if err == nil && !asJSON {
					err = c.printDescribed(d)
				}
				return said{value: d}, err
			}
			return c.each(ctx, args, asJSON, several{does: known, do: show, none: noneKnown})
		})
	cmd.Aliases = []string{"show"}
	cmd.Long = `Show how each app is started, where its files are and, if it runs, its status.`
	cmd.Args = between(1, 1000, "the NAME of each app")
	return cmd
}

func (c *cli) describeApp(ctx context.Context, name string) (described, error) {
	all, err := c.allApps(ctx)
	if err != nil {
		return described{}, err
	}
	for _, a := range all {
		if a.Name != name {
			continue
		}
		d := described{Name: name, State: a.State, Definition: a.Definition, Status: a.Status}
		d.StateDir = c.places.AppState(name)
		if a.Definition != nil {
			d.Log = c.registry().LogDir(name)
		}
		if a.Status != nil {
			d.Service, _ = systemd.ServiceOf(a.Status.PID)
		}
		return d, nil
	}
	_, err = c.connect(ctx, name) // its error names the apps that do run
	return described{}, err
}

func (c *cli) printDescribed(d described) error {
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(c.stdout, "%-10s %s\n", key, value)
		}
	}
	line("name", c.paint(c.colorOut, bold, d.Name))
	line("state", string(d.State))
	if def := d.Definition; def != nil {
		line("file", def.Config)
		line("app", def.App)
		line("profile", def.Profile)
		line("flags", strings.Join(def.Flags, " "))
		line("command", strings.Join(def.Command, " "))
		line("directory", def.Dir)
		line("failure", def.Failure)
	}
	line("service", d.Service)
	line("log", d.Log)
	line("kept in", d.StateDir)
	if d.Status == nil {
		_, err := fmt.Fprintf(c.stdout, "next: relevo start %[1]s · relevo delete %[1]s\n", d.Name)
		return err
	}
	fmt.Fprintln(c.stdout)
	return c.printStatus(*d.Status, &usageView{})
}
