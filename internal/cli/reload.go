package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/phrase"
	"relevo/pool"
	"relevo/pool/machine"
)

func (c *cli) reload() *cobra.Command {
	var noWait, dryRun bool
	var o control.ReloadOptions
	cmd := c.talking("reload [NAME…]", "Replace all workers, one by one, without losing a request",
		func(ctx context.Context, args []string, asJSON bool) error {
			if err := reloadFlags(o, noWait, dryRun); err != nil {
				return usage(err)
			}
			return c.oneByOne(ctx, args, several{does: running, none: noneRuns}, asJSON, func(c *cli, name string) error {
				client, err := c.connect(ctx, name)
				switch {
				case err != nil:
					return err
				case dryRun:
					return c.printPlan(ctx, client, o.Force, asJSON)
				case noWait:
					return c.begun(client, client.ReloadNoWait(ctx, o), asJSON)
				}
				return c.rollAndWait(ctx, client, asJSON, func() (pool.RollResult, error) { return client.Reload(ctx, o) })
			})
		})
	severalArgs(cmd)
	cmd.Long = `Read the configuration again, replace all workers, one by one, without losing a
request, and wait for the end.

A roll that fails leaves the old workers and the old configuration serving: the
exit code is 10 and the reason is printed. A configuration with errors changes
nothing: the exit code is 6. Bytes that failed before are refused, unless the
command, its environment or its limits have changed; --force tries them again.
Of several reloads at the same time only the newest is run.

--canary and --share try this release longer, and with fewer clients: with 10m and
5%, the first new worker gets one of twenty new connections for ten minutes, with
0% nothing but relevo's own probes. relevo promote ends that well, relevo abort
goes back.

Where OTEL_EXPORTER_OTLP_ENDPOINT is set, a trace of the roll is sent there.`
	cmd.Example = "  relevo reload\n  relevo reload web --canary 10m --share 5%\n  relevo promote web\n  relevo abort web"
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "return at once; see relevo status or relevo events")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would change, and change nothing")
	cmd.Flags().BoolVar(&o.Force, "force", false, "try bytes that failed before")
	cmd.Flags().Var(checkedFlag{&o.Canary, "DURATION", isDuration}, "canary", "probation of this roll's first worker")
	cmd.Flags().Var(checkedFlag{&o.Share, "PART", isShare}, "share",
		"the part of new connections that it gets meanwhile, 0% to 50%")
	return cmd
}

// reloadFlags refuses flags of a reload that contradict each other.
func reloadFlags(o control.ReloadOptions, noWait, dryRun bool) error {
	if dryRun && noWait {
		return errors.New("cannot use --no-wait with --dry-run: nothing is begun; leave one out")
	}
	if dryRun && (o.Canary != "" || o.Share != "") {
		return errors.New("cannot use --canary or --share with --dry-run: nothing is tried; leave them out")
	}
	if o.Canary == "" || o.Share == "" {
		return nil // the other half comes from the configuration
	}
	canary, err := config.ParseDuration(o.Canary)
	if err != nil {
		return err
	}
	share, err := config.ParseShare(o.Share)
	if err != nil {
		return err
	}
	return config.CheckTrial(canary, share)
}

// begun ends a command that does not wait for the roll. On success it prints nothing for people.
func (c *cli) begun(client *control.Client, err error, asJSON bool) error {
	if err != nil || !asJSON {
		return err
	}
	return c.printJSON(map[string]any{"name": client.Name(), "begun": true})
}

func isDuration(text string) error { _, err := config.ParseDuration(text); return err }
func isShare(text string) error    { _, err := config.ParseShare(text); return err }

func (c *cli) rollback() *cobra.Command {
	var noWait bool
	var to string
	cmd := c.talking("rollback [NAME]", "Roll back to a release that was kept",
		func(ctx context.Context, args []string, asJSON bool) error {
			client, err := c.connect(ctx, first(args))
			if err != nil {
				return err
			}
			if noWait {
				return c.begun(client, client.RollbackNoWait(ctx, to), asJSON)
			}
			return c.rollAndWait(ctx, client, asJSON, func() (pool.RollResult, error) { return client.Rollback(ctx, to) })
		})
	cmd.Long = `Roll back to the last good release before the present one, or to the one given.
Its bytes were kept; the configuration stays the present one. The file of the
command is not touched: the next change of its bytes, or the next reload, rolls
forward again.`
	cmd.Example = "  relevo rollback\n  relevo releases\n  relevo rollback web --to 3f2a91"
	cmd.Flags().Var(checkedFlag{&to, "HASH", notEmpty("the hash of a release")}, "to",
		"the `HASH` of the release, or its beginning; see relevo releases")
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "return at once; see relevo status or relevo events")
	return cmd
}

// rollAndWait shows the progress of a roll and prints its result.
func (c *cli) rollAndWait(ctx context.Context, client *control.Client, asJSON bool,
	roll func() (pool.RollResult, error)) error {
	traced := c.rollTrace(ctx, client)
	progress, err := c.followRoll(ctx, client, asJSON, traced.hear)
	if err != nil {
		return err
	}
	result, err := roll()
	progress.end()
	if err != nil {
		return err
	}
	defer traced.send(ctx, result)
	return c.printRoll(client, result, asJSON)
}

func (c *cli) printRoll(client *control.Client, result pool.RollResult, asJSON bool) error {
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
	_, err := fmt.Fprintf(c.stdout, "%s: generation %d serves%s, %s replaced in %s\n", client.Name(), result.Generation,
		releaseName(" ", result.Release), phrase.Count(result.Replaced, "worker"),
		result.Ended.Sub(result.Started).Round(time.Millisecond))
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

// rollProgress shows the steps of a roll on stderr: on a terminal as one line that changes,
// elsewhere as a line for each step.
type rollProgress struct {
	cli    *cli
	live   bool
	stream *control.EventStream
	done   chan struct{}
}

// followRoll subscribes to the events before the roll is requested, so that no step is missed.
func (c *cli) followRoll(ctx context.Context, client *control.Client, silent bool, hear func(pool.Event)) (
	*rollProgress, error) {
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
			hear(e)
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

// end waits until the last steps, which may still be on their way, were shown, and clears the line.
func (p *rollProgress) end() {
	select {
	case <-p.done:
	case <-time.After(200 * time.Millisecond): // no roll has begun
	}
	p.stream.Close()
	<-p.done
	if p.live {
		fmt.Fprint(p.cli.stderr, "\r\x1b[K")
	}
}

// rollText describes a step in a few words; empty for events that do not belong to a roll.
func rollText(e pool.Event) string {
	if e.Kind != pool.KindRoll {
		return ""
	}
	slot := 0
	if e.Slot != nil { // the field may be missing: any program can answer on the socket
		slot = *e.Slot
	}
	switch e.Step {
	case pool.StepBegan:
		if releases := fromTo(e.FromRelease, e.Release); releases != "" {
			return fmt.Sprintf("rolling%s (generation %d to %d): the canary starts", releases, e.From, e.Generation)
		}
		return fmt.Sprintf("rolling from generation %d to %d: the canary starts", e.From, e.Generation)
	case pool.StepProbation:
		return probationText(e, slot)
	case pool.StepCanary:
		return fmt.Sprintf("the canary passed: worker %s in slot %d", e.ID, slot)
	case pool.StepReplaced:
		return fmt.Sprintf("%d/%d  slot %d is served by worker %s", e.Done, e.Of, slot, e.ID)
	case pool.StepReverting:
		return fmt.Sprintf("slot %d failed: %s; going back to generation %d", slot, e.Reason, e.To)
	case pool.StepReverted:
		return fmt.Sprintf("%d/%d  slot %d is back on the old generation", e.Done, e.Of, slot)
	case pool.StepSuperseded:
		return fmt.Sprintf("generation %d gives way to %d", e.Generation, e.To)
	}
	return ""
}
