package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"relevo/internal/control"
	"relevo/internal/phrase"
	"relevo/internal/printable"
	"relevo/internal/prove"
)

// proveRun is what prove was asked for.
type proveRun struct {
	prove.Options
	json  bool
	junit string // the file for CI; empty: none
	// finished adds to the report what the master has counted; nil: no master was asked.
	finished func(*prove.Report)
}

// needsMaster says whether a master is needed: for the URL, for rolls and kills, or because the user
// has named one. A load of a URL without rolls, or during a command, needs none.
func (r proveRun) needsMaster(name string) bool {
	alone := r.Rolls == prove.NoRolls && !r.Kill && r.URL != ""
	return r.During == nil && (name != "" || !alone)
}

// proveApp proves the app of a master, and reports what happened to the connections of its workers.
func (c *cli) proveApp(ctx context.Context, client *control.Client, r proveRun) error {
	r.Target = &proveTarget{client}
	before, _ := client.Status(ctx) // nil if the app cannot count connections
	r.finished = func(report *prove.Report) {
		if after, failed := client.Status(context.WithoutCancel(ctx)); failed == nil {
			report.Left = leftSince(before.Connections, after.Connections)
		}
	}
	return c.runProve(ctx, r)
}

// runProve proves, and prints the report. It opens the file for CI before the load, so that an error
// comes at once.
func (c *cli) runProve(ctx context.Context, r proveRun) error {
	record := func(prove.Report, error) error { return nil }
	if r.junit != "" {
		file, err := os.Create(r.junit)
		if err != nil {
			return fmt.Errorf("cannot write the result for CI: %w: name another file with --junit", err)
		}
		defer file.Close()
		record = func(report prove.Report, failed error) error { return report.WriteJUnit(file, failed) }
	}
	ctx, interrupted := interruptible(ctx, repeated)
	defer interrupted.end(ctx)
	report, err := c.proveShown(ctx, r)
	unrecorded := record(report, err)
	if report.Total.Sent > 0 || err == nil { // after a failure, too, print what was counted
		err = errors.Join(err, c.printReport(report, r.json))
	}
	switch {
	case unrecorded != nil:
		return errors.Join(err, fmt.Errorf("cannot write the result for CI to %s: %w", r.junit, unrecorded))
	case ctx.Err() != nil && report.Proven():
		return &exitOnly{interrupted.exitCode()}
	case err == nil && !report.Proven():
		return &exitOnly{control.ExitFailure}
	}
	return err
}

// proveShown proves, and shows the progress meanwhile.
func (c *cli) proveShown(ctx context.Context, r proveRun) (prove.Report, error) {
	live := isTerminal(c.stderr)
	r.Progress = func(p prove.Progress) {
		switch {
		case live:
			fmt.Fprintf(c.stderr, "\r\x1b[K%s", proveProgress(p, r.During != nil))
		case p.Roll != nil && !p.Roll.OK:
			fmt.Fprintf(c.stderr, "roll failed: %s\n", p.Roll.Reason)
		}
	}
	report, err := prove.Run(ctx, r.Options)
	report.URL = r.URL
	if r.finished != nil {
		r.finished(&report)
	}
	if live {
		fmt.Fprint(c.stderr, "\r\x1b[K")
	}
	return report, err
}

func proveProgress(p prove.Progress, command bool) string {
	text := fmt.Sprintf("%5.1fs  %d sent, %d lost", p.Elapsed.Seconds(), p.Sent, p.Lost)
	if command {
		return text + fmt.Sprintf(", %s of the command, %d failed", phrase.Count(p.Runs+p.FailedRuns, "run"), p.FailedRuns)
	}
	return text + fmt.Sprintf(", %d held, %s, %s", p.Held, phrase.Count(p.Rolls, "roll"), phrase.Count(p.Kills, "kill"))
}

func (c *cli) printReport(report prove.Report, asJSON bool) error {
	if asJSON {
		return c.printJSON(report)
	}
	var text strings.Builder
	if err := report.WriteText(&text); err != nil {
		return err
	}
	_, err := fmt.Fprint(c.stdout, printable.Text(text.String())) // the text quotes what servers answered
	return err
}
