package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"relevo/internal/control"
	"relevo/internal/printable"
	"relevo/internal/succession"
)

func (c *cli) upgrade() *cobra.Command {
	var machine bool
	cmd := c.talking("upgrade [NAME…]", "Replace relevo itself; no worker is touched",
		func(ctx context.Context, args []string, asJSON bool) error {
			if machine && len(args) > 0 {
				return usage(fmt.Errorf("cannot use the name %q with --machine: it upgrades all masters; leave one out", args[0]))
			}
			if machine {
				return c.upgradeMachine(ctx, asJSON)
			}
			return c.oneByOne(ctx, args, several{does: running, none: noneRuns}, asJSON, func(c *cli, name string) error {
				client, err := c.connect(ctx, name)
				if err != nil {
					return err
				}
				return c.upgradeOne(ctx, client, asJSON)
			})
		})
	severalArgs(cmd)
	cmd.Long = `Replace the master by the program that lies at its path now: a newer relevo, or the
same. It does not touch the workers: their connections stay open, and no client is
refused.

If the new relevo fails, hangs or cannot read the state of the old one, nothing
changes: the old one keeps running, and the exit code is 10. USR2 does the same as this
command; HUP and reload do it first if the program has changed. In a container (PID 1)
and at a terminal the process stays and runs the new program; relevo run --upgrade
chooses the way.

--machine is for packages that bring a newer relevo: it upgrades every master that was
started from the path of this program; as root, the masters of all users. It does not
touch masters in containers.`
	cmd.Example = "  relevo upgrade web\n  relevo upgrade all\n  sudo relevo upgrade --machine"
	cmd.Flags().BoolVar(&machine, "machine", false, "upgrade all masters of this program; as root, of all users")
	return cmd
}

// upgradeOne upgrades a master and prints how.
func (c *cli) upgradeOne(ctx context.Context, client *control.Client, asJSON bool) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, upgradeAnswerTimeout)
	defer cancel()
	upgraded, err := client.Upgrade(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return c.printJSON(upgraded)
	}
	by := fmt.Sprintf("by the new pid %d", upgraded.PID)
	if upgraded.PID == upgraded.From {
		by = fmt.Sprintf("in place, pid %d stays", upgraded.PID)
	}
	_, err = fmt.Fprintf(c.stdout, "%s: master replaced %s in %s\n", client.Name(), by,
		time.Since(began).Round(time.Millisecond))
	return err
}

// upgradeAnswerTimeout is how long the command waits for the master's answer: longer than a
// master waits for its successor, unless the master's RELEVO_UPGRADE_TIMEOUT is longer than the
// default.
const upgradeAnswerTimeout = 90 * time.Second

// checkLegacy says whether this program could take over the state of a master that is about to exec
// it.
func (c *cli) checkLegacy() int {
	if err := succession.CheckLegacy(); err != nil {
		fmt.Fprintln(c.stderr, "relevo:", printable.Text(err.Error()))
		return control.ExitFailure
	}
	return control.ExitOK
}
