package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"relevo/internal/apps"
	"relevo/internal/control"
	"relevo/internal/phrase"
	"relevo/pool"
)

func (c *cli) list() *cobra.Command {
	var watch bool
	cmd := c.talking("list [NAME…]", "List the apps of this machine, running or not",
		func(ctx context.Context, args []string, asJSON bool) error {
			if watch {
				return c.watchList(ctx, args, asJSON)
			}
			all, err := c.chosenApps(ctx, args)
			if err != nil {
				return err
			}
			if asJSON {
				return c.printJSON(listed(all, nil))
			}
			return c.printList(all, nil)
		})
	cmd.Aliases = []string{"ls", "ps"}
	severalArgs(cmd)
	cmd.Long = `List the apps of this machine: those whose master runs, and those that relevo start
remembers; with names, patterns or all, only these. MEM and CPU are those of the workers and
all that they started, the master not counted. CPU is the mean since their start, as in ps;
with --watch it is the mean since the previous refresh. RESTARTS counts workers that were
started after a death. A narrow terminal does without the columns PID, RELEASE, RESTARTS, CPU,
UPTIME, MEM and ADDRESS, in this order.`
	cmd.Flags().BoolVar(&watch, "watch", false, "look again each second, until Ctrl-C; with --json a line each time")
	return cmd
}

// chosenApps lists the apps that words name; without words all apps.
func (c *cli) chosenApps(ctx context.Context, words []string) ([]apps.App, error) {
	all, err := c.allApps(ctx)
	if err != nil || len(words) == 0 {
		return all, err
	}
	var here, chosen []string
	for _, a := range all {
		here = append(here, a.Name)
	}
	for _, word := range words {
		if !isPattern(word) {
			if err := checkName(word); err != nil {
				return nil, err
			}
		}
		matched, err := choose(word, here)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, matched...)
	}
	return slices.DeleteFunc(all, func(a apps.App) bool { return !slices.Contains(chosen, a.Name) }), nil
}

// allApps lists the apps of all places where a command looks for masters.
func (c *cli) allApps(ctx context.Context) ([]apps.App, error) {
	here, others := c.everywhere()
	return here.All(ctx, others...)
}

// everywhere is where a command looks for apps: places with definitions, and further directories
// with sockets.
func (c *cli) everywhere() (here apps.Places, others []string) {
	places := c.lookIn()
	for _, p := range places[1:] {
		others = append(others, p.Runtime)
	}
	return apps.Places{Places: places[0]}, others
}

// askApps is allApps in two steps: names lists the apps, and ask asks the master of one.
func (c *cli) askApps() (names func() ([]string, error), ask func(ctx context.Context, name string) apps.App) {
	here, others := c.everywhere()
	names = func() ([]string, error) { return here.Known(others...) }
	ask = func(ctx context.Context, name string) apps.App { return here.Ask(ctx, name, others...) }
	return names, ask
}

// listedApp is one app in `relevo list --json`: its status, with its definition and unit.
type listedApp struct {
	control.Status
	Definition string   `json:"definition,omitempty"` // path of the file that it is started from
	Ready      int      `json:"ready"`
	Restarts   int      `json:"restarts"`
	Memory     int64    `json:"memory_bytes,omitempty"`
	CPU        *float64 `json:"cpu_percent,omitempty"`
	Failure    string   `json:"failure,omitempty"`
}

func listed(all []apps.App, before *look) []listedApp {
	out := []listedApp{}
	for _, a := range all {
		row := listedApp{Ready: a.Ready(), Restarts: a.Restarts(), Memory: a.Usage.Memory, CPU: before.percent(a)}
		if a.Status != nil {
			row.Status = *a.Status
		} else {
			row.Name, row.State, row.Workers = a.Name, string(a.State), []pool.Worker{}
		}
		if a.Definition != nil {
			row.Definition, row.Failure = a.Definition.Config, a.Definition.Failure
		}
		out = append(out, row)
	}
	return out
}

func (c *cli) printList(all []apps.App, before *look) error {
	if len(all) == 0 {
		fmt.Fprintf(c.stderr, "no app runs in %s and none is remembered; relevo start app.js starts one\n",
			c.whereMastersAre())
		return nil
	}
	return printTable(c.stdout, c.listColumns(all, before), c.width())
}

func (c *cli) listColumns(all []apps.App, before *look) []column {
	of := func(head string, weight int, cell func(apps.App) string) column {
		made := column{head: head, weight: weight}
		for _, a := range all {
			made.cells = append(made.cells, cell(a))
		}
		return made
	}
	right := func(made column) column { made.right = true; return made }
	state := of("STATE", 0, func(a apps.App) string { return string(a.State) })
	state.paint = func(row int, text string) string { return c.paintState(all[row], text) }
	workers := of("WORKERS", 0, workersText)
	workers.paint = func(row int, text string) string {
		return c.paint(c.colorOut && all[row].Status != nil && all[row].Ready() < all[row].Status.Slots, yellow, text)
	}
	return []column{
		of("NAME", 0, func(a apps.App) string { return a.Name }), state, workers,
		of("RELEASE", 2, appRelease),
		right(of("CPU", 4, func(a apps.App) string { return percent(before.percent(a)) })),
		right(of("MEM", 6, func(a apps.App) string { return memoryText(a.Usage.Memory) })),
		right(of("RESTARTS", 3, func(a apps.App) string { return ifRuns(a, strconv.Itoa(a.Restarts())) })),
		right(of("UPTIME", 5, appUptime)),
		right(of("PID", 1, masterPID)),
		of("ADDRESS", 7, addressText),
	}
}

// paintState colours only states that need attention.
func (c *cli) paintState(a apps.App, text string) string {
	switch a.State {
	case apps.Failed, apps.Silent:
		return c.paint(c.colorOut, red, text)
	case apps.Stopped:
		return c.paint(c.colorOut, dim, text)
	}
	return text
}

func ifRuns(a apps.App, text string) string {
	if a.Status == nil {
		return "-"
	}
	return text
}

func workersText(a apps.App) string {
	if a.Status == nil {
		return "-"
	}
	return fmt.Sprintf("%d/%d", a.Ready(), a.Status.Slots)
}

func appRelease(a apps.App) string {
	if a.Status == nil {
		return "-"
	}
	return releaseText(a.Status.Release)
}

func masterPID(a apps.App) string {
	if a.Status == nil {
		return "-"
	}
	return strconv.Itoa(a.Status.PID)
}

func appUptime(a apps.App) string {
	if a.Status == nil || a.Status.Started.IsZero() {
		return "-"
	}
	return shortDuration(time.Since(a.Status.Started))
}

func addressText(a apps.App) string {
	if a.Status == nil {
		return "-"
	}
	var addresses []string
	for _, l := range a.Status.Listeners {
		addresses = append(addresses, l.Address)
	}
	return or(strings.Join(addresses, " "), "-")
}

func memoryText(bytes int64) string {
	if bytes == 0 {
		return "-"
	}
	return phrase.Size(bytes)
}

func percent(cpu *float64) string {
	if cpu == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", *cpu)
}

// width is the width of the terminal; 0: there is no terminal, and all columns are shown.
func (c *cli) width() int {
	if n, err := strconv.Atoi(c.getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	width, _, err := term.GetSize(int(c.stdout.Fd()))
	if err != nil {
		return 0
	}
	return width
}
