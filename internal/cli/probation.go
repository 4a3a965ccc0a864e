package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"relevo/internal/control"
	"relevo/pool"
	"relevo/pool/machine"
)

func (c *cli) promote() *cobra.Command {
	cmd := c.talking("promote [NAME]", "Accept a roll's canary before its probation is over, and continue the roll",
		func(ctx context.Context, args []string, asJSON bool) error {
			client, err := c.connect(ctx, first(args))
			if err != nil {
				return err
			}
			canary, err := client.Promote(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				return c.printJSON(canary)
			}
			_, err = fmt.Fprintf(c.stdout, "%s: worker %s in slot %d is promoted: the roll continues\n", client.Name(),
				canary.ID, canary.Slot)
			return err
		})
	cmd.Long = `End the probation of a roll's first worker, the canary, as if its time were over:
the roll continues, and a command that waits for the roll still waits for its end.
The exit code is 75 while the canary starts, and 1 if no canary is on probation.`
	return cmd
}

func (c *cli) abort() *cobra.Command {
	cmd := c.talking("abort [NAME]", "End a roll: the old release keeps serving",
		func(ctx context.Context, args []string, asJSON bool) error {
			client, err := c.connect(ctx, first(args))
			if err != nil {
				return err
			}
			result, err := client.Abort(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				err = c.printJSON(result)
			} else if result.Result == machine.RolledBack {
				_, err = fmt.Fprintf(c.stdout, "%s: the roll to generation %d is aborted, generation %d serves\n", client.Name(),
					result.Generation, result.From)
			}
			switch {
			case err != nil || result.Result == machine.RolledBack:
				return err
			case asJSON:
				return &exitOnly{rollExit(result)}
			}
			return control.WithExit(result.Error(), rollExit(result))
		})
	cmd.Long = `End the roll that is under way, and wait until all slots are back on the old
release. A command that waits for the roll ends with exit code 10. The release does
not count as bad: the next reload tries it again.`
	return cmd
}

// longProbation is long enough that a progress line is shown.
const longProbation = 5 * time.Second

// probationText describes a probation; empty if it ends at once.
func probationText(e pool.Event, slot int) string {
	lasts := time.Duration(0)
	if e.AfterMS != nil { // the field may be missing: any program can answer on the socket
		lasts = time.Duration(*e.AfterMS) * time.Millisecond
	}
	if lasts < longProbation && e.Share == "" {
		return ""
	}
	text := fmt.Sprintf("worker %s in slot %d is on probation for %s", e.ID, slot, shortDuration(lasts))
	if e.Share != "" {
		text += ", with " + e.Share + " of the new connections"
	}
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text + "; relevo promote, relevo abort"
}

// printCanary prints a line for a canary on probation.
func (c *cli) printCanary(canary *pool.Canary) {
	if canary == nil {
		return
	}
	text := fmt.Sprintf("on probation: worker %s in slot %d, for %s", canary.ID, canary.Slot,
		shortDuration(max(time.Until(canary.Until), 0)))
	if canary.Share != "" {
		text += ", with " + canary.Share + " of the new connections"
	}
	fmt.Fprintln(c.stdout, text+"; relevo promote, relevo abort")
	if canary.Hint != "" {
		fmt.Fprintln(c.stdout, c.paint(c.colorOut, yellow, canary.Hint))
	}
}
