package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"relevo/internal/control"
	"relevo/internal/printable"
	"relevo/internal/procfs"
	"relevo/pool"
	"relevo/pool/machine"
)

func (c *cli) env() *cobra.Command {
	cmd := c.talking("env NAME [SLOT]", "Print the environment of a worker, secrets included",
		func(ctx context.Context, args []string, asJSON bool) error {
			slot := -1
			if len(args) == 2 {
				n, err := strconv.Atoi(args[1])
				if err != nil || n < 0 {
					return usage(fmt.Errorf("cannot use %q as a slot: write a number from 0 on; relevo status %s shows them",
						args[1], args[0]))
				}
				slot = n
			}
			variables, err := c.workerEnv(ctx, args[0], slot)
			if err != nil {
				return err
			}
			if asJSON {
				table := map[string]string{}
				for _, variable := range variables {
					name, value, _ := strings.Cut(variable, "=")
					table[name] = value
				}
				return c.printJSON(table)
			}
			for _, variable := range variables {
				fmt.Fprintln(c.stdout, printable.Line(variable))
			}
			return nil
		})
	cmd.Args = between(1, 2, "a NAME, and the slot of a worker")
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 1 {
			return c.asking(slotsOf)(cmd, args, word)
		}
		return c.completeOne(cmd, args, word)
	}
	cmd.Long = `Print the environment that a worker was started with, sorted: that of the worker in
SLOT, or of the first that runs. Values may be secrets.`
	return cmd
}

// servingFirst sorts the workers that serve before those that start or leave.
func servingFirst(workers []pool.Worker) []pool.Worker {
	sorted := slices.Clone(workers)
	slices.SortStableFunc(sorted, func(a, b pool.Worker) int {
		return cmp.Compare(rankOf(a), rankOf(b))
	})
	return sorted
}

func rankOf(w pool.Worker) int {
	if w.State == string(machine.Serving) {
		return 0
	}
	return 1
}

// workerEnv reads the environment of the worker in a slot; a negative slot means the first worker
// that runs.
func (c *cli) workerEnv(ctx context.Context, name string, slot int) ([]string, error) {
	client, err := c.connect(ctx, name)
	if err != nil {
		return nil, err
	}
	status, err := client.Status(ctx)
	if err != nil {
		return nil, err
	}
	for _, w := range servingFirst(status.Workers) {
		if w.PID == 0 || slot >= 0 && w.Slot != slot {
			continue
		}
		variables := procfs.Of(w.PID).Environ()
		if len(variables) == 0 {
			err := fmt.Errorf("cannot read the environment of worker %s of %s (pid %d): it is that of another user",
				w.ID, name, w.PID)
			return nil, control.WithExit(err, control.ExitNotPermitted)
		}
		slices.Sort(variables)
		return variables, nil
	}
	what := "no worker runs"
	if slot >= 0 {
		what = fmt.Sprintf("no worker runs in slot %d", slot)
	}
	return nil, fmt.Errorf("cannot print the environment of %[1]s: %[2]s; see relevo status %[1]s", name, what)
}
