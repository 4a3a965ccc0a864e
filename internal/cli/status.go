package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/phrase"
	"relevo/pool"
	"relevo/pool/machine"
)

func (c *cli) status() *cobra.Command {
	var used, watch bool
	cmd := severalArgs(c.talking("status [NAME…]", "Show the pool: workers, generations, the last roll",
		func(ctx context.Context, args []string, asJSON bool) error {
			if watch {
				return c.watchStatus(ctx, args, asJSON)
			}
			return c.showStatus(ctx, args, asJSON, &usageView{asked: used})
		}))
	cmd.Long = `Show the pool: workers, generations, the last roll.
With --usage also what each worker uses, its child processes included: CPU since it started,
or with --watch since the previous refresh; MEM, where a page that processes share is divided
among them; CONN, the connections that clients have open to it; and LOAD, what it reports itself.
A narrow terminal does without the columns RELEASE, GEN, WORKER, RESPAWNS, UP, LOAD, PID, CONN,
CPU and MEM, in this order.`
	cmd.Flags().BoolVar(&used, "usage", false, "show also CPU, memory, connections and load of each worker")
	cmd.Flags().BoolVar(&watch, "watch", false,
		"look again each second, with --usage, until Ctrl-C; with --json a line each time")
	return cmd
}

// showStatus shows the apps that words name.
func (c *cli) showStatus(ctx context.Context, words []string, asJSON bool, view *usageView) error {
	printed := false
	show := func(ctx context.Context, name string) (said, error) {
		client, err := c.connect(ctx, name)
		if err != nil {
			return said{}, err
		}
		status, err := client.Status(ctx)
		if err != nil {
			return said{}, err
		}
		view.look(status)
		if asJSON {
			return said{value: view.withUsage(status)}, nil
		}
		if printed {
			fmt.Fprintln(c.stdout)
		}
		printed = true
		return said{}, c.printStatus(status, view)
	}
	return c.each(ctx, words, asJSON, several{does: running, do: show, none: noneRuns})
}

func (c *cli) printStatus(s control.Status, view *usageView) error {
	var addresses []string
	for _, l := range s.Listeners {
		text := l.Name + "=" + l.Address
		addresses = append(addresses, text+howShared(l))
	}
	fmt.Fprintf(c.stdout, "%s  %s  generation %d  master pid %d  relevo %s\n",
		c.paint(c.colorOut, bold, s.Name), s.State, s.Generation, s.PID, s.Version)
	if len(addresses) > 0 {
		fmt.Fprintf(c.stdout, "listening on %s\n", strings.Join(addresses, "  "))
	}
	if s.Metrics != "" {
		fmt.Fprintf(c.stdout, "metrics at http://%s/metrics\n", s.Metrics)
	}
	if s.State == "rolling" {
		fmt.Fprintf(c.stdout, "rolling%s\n", fromTo(s.Release, s.Rolling))
	}
	c.printCanary(s.Canary)
	for _, warning := range s.Warnings {
		fmt.Fprintln(c.stdout, c.paint(c.colorOut, yellow, warning))
	}
	fmt.Fprintln(c.stdout)
	if err := c.printWorkers(s.Workers, view); err != nil {
		return fmt.Errorf("cannot print the status: %w", err)
	}
	c.printHealth(s)
	c.printScale(s)
	if !s.NextRoll.IsZero() {
		fmt.Fprintf(c.stdout, "\nnext roll by the clock: %s\n", s.NextRoll.Local().Format("Mon 2006-01-02 15:04:05 MST"))
	}
	c.printLastRoll(s.LastRoll)
	if text := s.Connections.String(); text != (pool.Connections{}).String() {
		fmt.Fprintf(c.stdout, "\nconnections of workers that left: %s\n", text)
	}
	return nil
}

// howShared describes how workers share a listener, where that is not the usual way.
func howShared(l control.Listener) string {
	var words []string
	if l.Captured {
		words = append(words, "captured")
	}
	if l.Balance == config.BalanceShared || l.Balance == config.BalanceSticky {
		words = append(words, string(l.Balance))
	}
	if len(words) == 0 {
		return ""
	}
	return " (" + strings.Join(words, ", ") + ")"
}

func (c *cli) printLastRoll(r *pool.RollResult) {
	if r == nil {
		return
	}
	took := r.Ended.Sub(r.Started).Round(time.Millisecond)
	ago := time.Since(r.Ended).Round(time.Second)
	if r.Result == machine.OK {
		fmt.Fprintf(c.stdout, "\nlast roll: generation %d, %s, took %s, %s ago\n", r.Generation,
			c.paint(c.colorOut, green, "ok"), took, ago)
		return
	}
	result := string(r.Result)
	if r.Automatic {
		result += " (automatic)"
	}
	fmt.Fprintf(c.stdout, "\nlast roll: generation %d, %s, %s ago: %s\n", r.Generation, c.paint(c.colorOut, red, result),
		ago, r.Reason)
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func pidText(pid int) string {
	if pid == 0 {
		return "-"
	}
	return fmt.Sprint(pid)
}

func upTime(w pool.Worker) string {
	if w.Started.IsZero() {
		return "-"
	}
	return shortDuration(time.Since(w.Started))
}

// shortDuration prints the two largest units of a duration.
func shortDuration(d time.Duration) string {
	switch {
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

func releaseText(r *pool.Info) string {
	if r == nil || r.SHA256 == "" {
		return "-"
	}
	return strings.TrimSpace(phrase.Hash(r.SHA256) + " " + r.Version)
}

// note is noteOf, preceded by a hint if readiness was only observed.
func note(w pool.Worker) string {
	text := noteOf(w)
	if w.State != string(machine.Serving) || w.ReadyBy != "observed" {
		return text
	}
	return strings.TrimSuffix("ready: observed; "+text, "; ")
}

// noteOf is the most useful thing to know about a worker beyond the columns.
func noteOf(w pool.Worker) string {
	switch {
	case w.Health != nil && !w.Health.OK:
		return unhealthy(w.Health)
	case !w.Retry.IsZero() && w.LastExit != nil:
		return fmt.Sprintf("next try in %s, after %s", max(0, time.Until(w.Retry)).Round(100*time.Millisecond), w.LastExit)
	case w.State == string(machine.Draining) && w.Open > 0:
		return phrase.Count(w.Open, "connection") + " left"
	case w.Text != "":
		return w.Text
	case w.Respawns > 0 && w.LastExit != nil:
		return "last: " + w.LastExit.String()
	}
	return ""
}
