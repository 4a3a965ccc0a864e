package cli

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"relevo/internal/control"
	"relevo/pool"
	"relevo/pool/machine"
)

func (c *cli) list() *cobra.Command {
	cmd := c.talking("list", "List the masters that run", func(ctx context.Context, _ []string, asJSON bool) error {
		clients, err := c.running(ctx)
		if err != nil {
			return err
		}
		all := []control.Status{}
		for _, client := range clients {
			status, err := client.Status(ctx)
			if err != nil {
				status = control.Status{Name: client.Name(), Status: pool.Status{State: "does not answer"}}
			}
			all = append(all, status)
		}
		if asJSON {
			return c.printJSON(all)
		}
		return c.printList(all)
	})
	cmd.Args = noArguments
	return cmd
}

func (c *cli) printList(all []control.Status) error {
	if len(all) == 0 {
		fmt.Fprintln(c.stderr, "no master runs in", c.whereMastersAre())
		return nil
	}
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tPID\tSTATE\tWORKERS\tGEN\tLISTENING ON")
	for _, s := range all {
		serving := 0
		for _, w := range s.Workers {
			if w.State == string(machine.Serving) {
				serving++
			}
		}
		var addresses []string
		for _, l := range s.Listeners {
			addresses = append(addresses, l.Address)
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%d/%d\t%d\t%s\n", s.Name, s.PID, s.State, serving, s.Slots, s.Generation,
			strings.Join(addresses, " "))
	}
	return table.Flush()
}
