package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"relevo/internal/fleet/relevo-fleet/store"
)

func (p *program) history() *cobra.Command {
	cmd := &cobra.Command{Use: "history APP", Short: "Show the deploys of an app", Args: appArg,
		RunE: func(cmd *cobra.Command, args []string) error { return p.runHistory(cmd.Context(), args[0]) }}
	p.json(cmd)
	return cmd
}

func (p *program) runHistory(ctx context.Context, app string) error {
	c, err := p.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	all, err := c.History(ctx, app)
	if err != nil {
		return err
	}
	if p.asJSON {
		return p.printJSON(append([]store.Deploy{}, all...))
	}
	table := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "DEPLOY\tVERSION\tSTATE\tSTAGES\tBY\tBEGUN\tTOOK\tREASON")
	for _, d := range all {
		fmt.Fprintf(table, "%d\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", d.ID, d.Release.Version, d.State, d.Stage, d.By,
			d.Started.Local().Format(time.DateTime), d.Changed.Sub(d.Started).Round(100*time.Millisecond),
			firstLine(d.Reason))
	}
	return table.Flush()
}

func (p *program) events() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{Use: "events APP", Short: "Show who did what, and what was decided", Args: appArg,
		RunE: func(cmd *cobra.Command, args []string) error { return p.runEvents(cmd.Context(), args[0], follow) }}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "also print new entries as they come")
	p.json(cmd)
	return cmd
}

func (p *program) runEvents(ctx context.Context, app string, follow bool) error {
	c, err := p.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if follow {
		c.FollowAudit(ctx, app, p.printEntry, func(err error) { fmt.Fprintln(p.err, "relevo-fleet:", err) })
		return nil
	}
	all, err := c.Audit(ctx, app)
	if err != nil {
		return err
	}
	for _, e := range all {
		p.printEntry(e)
	}
	return nil
}

// printEntry prints one line: with --json an object.
func (p *program) printEntry(e store.Entry) {
	if p.asJSON {
		json.NewEncoder(p.out).Encode(e)
		return
	}
	fmt.Fprintf(p.out, "%s  deploy %d  %s  %s  %s\n", e.At.Local().Format(time.DateTime), e.Deploy, e.By, e.What, e.Text)
}
