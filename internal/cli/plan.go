package cli

import (
	"context"
	"fmt"
	"text/tabwriter"

	"relevo/internal/control"
	"relevo/internal/phrase"
	"relevo/pool"
)

// printPlan prints what a reload would change. If the reload would be refused, it returns the same
// error.
func (c *cli) printPlan(ctx context.Context, client *control.Client, force, asJSON bool) error {
	plan, err := client.Plan(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		if err := c.printJSON(plan); err != nil {
			return err
		}
	} else if err := c.printChanges(client.Name(), plan); err != nil {
		return err
	}
	if plan.Refused == "" || force {
		return nil
	}
	return &control.Error{Message: fmt.Sprintf("a reload would be refused: %s; relevo reload %s --force tries it again",
		plan.Refused, client.Name()), Exit: control.ExitRollFailed}
}

func (c *cli) printChanges(name string, plan control.Plan) error {
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	sameBytes := plan.Next.SHA256 == plan.Running.SHA256
	if len(plan.Changes) == 0 && sameBytes {
		fmt.Fprintf(c.stdout, "%s: a reload would replace every worker and change nothing: "+
			"configuration and bytes are the same\n", name)
	} else {
		fmt.Fprintf(c.stdout, "%s: a reload would replace every worker and change:\n", name)
	}
	for _, change := range plan.Changes {
		fmt.Fprintf(table, "  %s\t%s\t→ %s\t(%s)\n", change.Key, or(change.Old, "-"), or(change.New, "-"), change.Applies)
	}
	if !sameBytes {
		fmt.Fprintf(table, "  the release\t%s\t→ %s\n", releaseText(&plan.Running), releaseText(&plan.Next))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("cannot print the plan: %w", err)
	}
	return nil
}

// fromTo names both releases of a roll if they differ and are known: " v1.4.2 (ab12cd3) → v1.4.3
// (ef34ab5)".
func fromTo(from, to *pool.Info) string {
	if from == nil || to == nil || from.SHA256 == to.SHA256 {
		return ""
	}
	return releaseName(" ", from) + releaseName(" → ", to)
}

// releaseName is the version of a release, or the first characters of its hash.
func releaseName(before string, r *pool.Info) string {
	switch {
	case r == nil || r.SHA256 == "":
		return ""
	case r.Version != "":
		return before + r.Version
	}
	return before + phrase.Hash(r.SHA256)
}
