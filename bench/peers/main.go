// Command peers compares relevo with the programs that people use for the same, and prints
// the tables of docs/peers.md:
//
//	go run ./bench/peers                    everything, about 50 minutes
//	go run ./bench/peers -quick             one round of everything, to see that it works
//	go run ./bench/peers -only rolls        one table; -help names them
//	go run ./bench/peers -peers relevo,pm2  some of the peers
//	go run ./bench/peers -rounds 3          fewer rounds than five
//	go run ./bench/peers -plot DIR          pictures of the tables too, as SVG
//
// All peers serve the same app, four processes of it, on the same machine. In each round they
// take their turns, the next round goes the other way round, so that a machine whose speed
// drifts does not favour one of them. What the registries of npm and Go serve is installed
// into a scratch directory; the others have to be installed, and are named as absent if they
// are not. The load is that of relevo prove: no request is sent twice.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"relevo/bench/figures"
)

// plan is how much is measured.
type plan struct {
	rounds int
	load   time.Duration // of one load
	rolls  int           // of one peer in one round
	watch  time.Duration // how long an outage is watched
	apps   []int
	saves  int
}

var (
	full = plan{rounds: 5, load: 2 * time.Second, rolls: 5, watch: 4 * time.Second, apps: []int{1, 10, 100}, saves: 5}
	less = plan{rounds: 1, load: time.Second, rolls: 2, watch: 3 * time.Second, apps: []int{1, 10}, saves: 2}
)

// table is one of those that are printed.
type table struct {
	name    string
	measure func(context.Context, *kit) (*result, error)
}

var tables = []table{
	{"serving", serving},
	{"rolls", rolls},
	{"faults", faults},
	{"apps", manyApps},
	{"saved", saved},
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench/peers:", err)
		os.Exit(1)
	}
}

func run() error {
	var names []string
	for _, t := range tables {
		names = append(names, t.name)
	}
	quick := flag.Bool("quick", false, "one round of everything")
	only := flag.String("only", "", "one table: "+strings.Join(names, " "))
	chosen := flag.String("peers", "", "only peers whose name contains one of these, by commas")
	rounds := flag.Int("rounds", 0, "how many rounds; default 5, with -quick 1")
	plots := flag.String("plot", "", "write pictures into this directory")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	k, err := newKit(ctx, *chosen)
	if err != nil {
		return err
	}
	defer k.close()
	if k.plan = full; *quick {
		k.plan = less
	}
	if *rounds > 0 {
		k.plan.rounds = *rounds
	}
	return k.print(ctx, *only, *plots)
}

// print measures and prints the tables, with the machine and what was compared.
func (k *kit) print(ctx context.Context, only, plots string) error {
	fmt.Println(figures.Machine())
	found := false
	for _, t := range tables {
		if only != "" && only != t.name {
			continue
		}
		found = true
		r, err := t.measure(ctx, k)
		if err != nil {
			return fmt.Errorf("cannot measure %s: %w", t.name, err)
		}
		r.print(os.Stdout)
		if plots != "" {
			if err := r.plot(plots, t.name); err != nil {
				return err
			}
		}
	}
	if !found {
		return fmt.Errorf("cannot measure %q: there is no such table", only)
	}
	return nil
}
