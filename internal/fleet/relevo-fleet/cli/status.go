package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"relevo/internal/fleet/relevo-fleet/store"
)

// shownApp is an app as status prints it.
type shownApp struct {
	App       string           `json:"app"`
	Deploy    *store.Deploy    `json:"deploy,omitempty"`
	Conductor *store.Conductor `json:"conductor,omitempty"`
	Machines  []shownMachine   `json:"machines"`
}

type shownMachine struct {
	Name    string `json:"name"`
	Present bool   `json:"present"`
	store.Report
}

func (p *program) status() *cobra.Command {
	cmd := &cobra.Command{Use: "status [APP]", Short: "Show the deploys and what each machine runs",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.runStatus(cmd.Context(), args)
		}}
	p.json(cmd)
	return cmd
}

func (p *program) runStatus(ctx context.Context, args []string) error {
	c, err := p.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	v, err := c.View(ctx)
	if err != nil {
		return err
	}
	apps := v.Apps()
	if len(args) > 1 {
		return usage(errors.New("cannot show several apps: give one name, or none for all"))
	}
	if len(args) == 1 {
		if !slices.Contains(apps, args[0]) {
			return fmt.Errorf("cannot show %s: no machine has this app; there are: %s", args[0], strings.Join(apps, ", "))
		}
		apps = args
	}
	shown := []shownApp{}
	for _, app := range apps {
		shown = append(shown, show(v, app))
	}
	if p.asJSON {
		return p.printJSON(shown)
	}
	if len(shown) == 0 {
		fmt.Fprintln(p.out, "no machine has reported; start relevo-fleet agent on them")
	}
	for _, s := range shown {
		s.print(p.out)
	}
	return nil
}

func show(v *store.View, app string) shownApp {
	s := shownApp{App: app, Machines: []shownMachine{}}
	if d, ok := v.Deploys[app]; ok {
		s.Deploy = &d
	}
	if by := v.Conductors[app]; len(by) > 0 {
		s.Conductor = &by[0]
	}
	for _, name := range slices.Sorted(maps.Keys(v.Reports[app])) {
		_, present := v.Present[name]
		s.Machines = append(s.Machines, shownMachine{name, present, v.Reports[app][name]})
	}
	return s
}

func (s shownApp) print(out io.Writer) {
	if d := s.Deploy; d == nil {
		fmt.Fprintf(out, "%s: nothing was deployed so far\n", s.App)
	} else {
		fmt.Fprintf(out, "%s: deploy %d is %s: %s; of %s, since %s\n", s.App, d.ID, d.State, d.Describe(), d.By,
			d.Started.Local().Format(time.DateTime))
		if s.Conductor == nil && !d.State.Over() {
			fmt.Fprintf(out, "no conductor runs, so nothing happens: relevo-fleet follow %s, or relevo-fleet conduct\n", s.App)
		}
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "MACHINE\tLABELS\tSTATE\tVERSION\tDEPLOY\tWORKERS")
	for _, m := range s.Machines {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%d\n", m.Name, labelText(m.Labels), m.state(), orDash(m.Version),
			orDash(number(m.Report.Deploy)), m.Workers)
	}
	table.Flush()
	for _, m := range s.Machines {
		if why := m.trouble(); why != "" {
			fmt.Fprintf(out, "%s: %s\n", m.Name, firstLine(why))
		}
	}
}

func labelText(labels map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, name+"="+labels[name])
	}
	return orDash(strings.Join(parts, ","))
}

// state is a machine's state in words.
func (m shownMachine) state() string {
	switch {
	case !m.Present:
		return "away"
	case m.Phase == store.Fetching, m.Phase == store.Rolling:
		return string(m.Phase)
	case !m.Running:
		return "not running"
	case m.Fault != "":
		return "fault"
	case m.Phase == store.Failed:
		return "failed"
	}
	return "serves"
}

// trouble is what is wrong with a machine.
func (m shownMachine) trouble() string {
	if m.Fault != "" {
		return m.Fault
	}
	return m.Error
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
