package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"relevo/control"
	"relevo/pool"
	"relevo/pool/machine"
)

func (c *cli) reload() *cobra.Command {
	var noWait bool
	cmd := c.talking("reload [NAME]", "Replace all workers, one by one, without losing a request",
		func(ctx context.Context, args []string, asJSON bool) error {
			client, err := c.connect(ctx, first(args))
			if err != nil {
				return err
			}
			if noWait {
				return client.ReloadNoWait(ctx)
			}
			return c.reloadAndWait(ctx, client, asJSON)
		})
	cmd.Long = `Replace all workers, one by one, without losing a request, and wait for the end.

A roll that fails leaves the old workers serving: the exit code is 10 and the
reason is printed. Of several reloads at the same time only the newest is run.`
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "return at once; see relevo status or relevo events")
	return cmd
}

func (c *cli) reloadAndWait(ctx context.Context, client *control.Client, asJSON bool) error {
	progress, err := c.followRoll(ctx, client, asJSON)
	if err != nil {
		return err
	}
	result, err := client.Reload(ctx)
	progress.end()
	if err != nil {
		return err
	}
	if asJSON {
		if err := c.printJSON(result); err != nil {
			return err
		}
		if code := rollExit(result); code != control.ExitOK {
			return &exitOnly{code}
		}
		return nil
	}
	if failure := result.Error(); failure != nil {
		return control.WithExit(failure, rollExit(result))
	}
	_, err = fmt.Fprintf(c.stdout, "%s: generation %d serves, %s replaced in %s\n", client.Name(), result.Generation,
		count(result.Replaced, "worker"), result.Ended.Sub(result.Started).Round(time.Millisecond))
	return err
}

func rollExit(r pool.RollResult) int {
	switch r.Result {
	case machine.OK:
		return control.ExitOK
	case machine.Aborted: // the pool stops
		return control.ExitBusy
	}
	return control.ExitRollFailed
}

// rollProgress shows the steps of a roll on stderr: one line that changes on a
// terminal, a line for each step elsewhere.
type rollProgress struct {
	cli    *cli
	live   bool
	stream *control.EventStream
	done   chan struct{}
}

// followRoll begins to listen before the roll is asked for, so that no step is
// missed.
func (c *cli) followRoll(ctx context.Context, client *control.Client, silent bool) (*rollProgress, error) {
	stream, err := client.Events(ctx)
	if err != nil {
		return nil, err
	}
	p := &rollProgress{cli: c, live: isTerminal(c.stderr), stream: stream, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for {
			e, _, err := stream.Next()
			if err != nil {
				return
			}
			if text := rollText(e); text != "" && !silent {
				p.show(text)
			}
			if e.Kind == pool.KindRoll && e.Step == pool.StepEnded {
				return
			}
		}
	}()
	return p, nil
}

func (p *rollProgress) show(text string) {
	if p.live {
		fmt.Fprintf(p.cli.stderr, "\r\x1b[K%s", text)
		return
	}
	fmt.Fprintln(p.cli.stderr, text)
}

// end lets the last steps be shown, which may still be on their way, and clears
// the line.
func (p *rollProgress) end() {
	select {
	case <-p.done:
	case <-time.After(200 * time.Millisecond): // no roll was begun
	}
	p.stream.Close()
	<-p.done
	if p.live {
		fmt.Fprint(p.cli.stderr, "\r\x1b[K")
	}
}

// rollText is a step in a few words; empty for what does not belong to a roll.
func rollText(e pool.Event) string {
	if e.Kind != pool.KindRoll {
		return ""
	}
	switch e.Step {
	case pool.StepBegan:
		return fmt.Sprintf("rolling from generation %d to %d: the canary starts", e.From, e.Generation)
	case pool.StepCanary:
		return fmt.Sprintf("the canary passed: worker %s in slot %d", e.ID, *e.Slot)
	case pool.StepReplaced:
		return fmt.Sprintf("%d/%d  slot %d is served by worker %s", e.Done, e.Of, *e.Slot, e.ID)
	case pool.StepReverting:
		return fmt.Sprintf("slot %d failed: %s; going back to generation %d", *e.Slot, e.Reason, e.To)
	case pool.StepReverted:
		return fmt.Sprintf("%d/%d  slot %d is back on the old generation", e.Done, e.Of, *e.Slot)
	case pool.StepSuperseded:
		return fmt.Sprintf("generation %d gives way to %d", e.Generation, e.To)
	}
	return ""
}
