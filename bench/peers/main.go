// Command peers compares relevo with the programs that people use for the same, and makes the
// tables of docs/peers.md:
//
//	go run ./bench/peers                         everything, and prints the tables
//	go run ./bench/peers -quick                  one short round of everything, to see that it works
//	go run ./bench/peers -only rolls,faults      some of the tables; -help names them
//	go run ./bench/peers -peers relevo,pm2       some of the peers
//	go run ./bench/peers -rounds 3               fewer rounds than five
//	go run ./bench/peers -results FILE           adds the rounds to those that the file has
//	go run ./bench/peers -results FILE -page docs/peers.md
//	                                             measures nothing: writes the tables of the file
//	                                             into the page, and the pictures beside it
//
// All peers serve the same app, four processes of it, on the same machine. In each round they
// take their turns, the next round goes the other way round, so that a machine whose speed
// drifts does not favour one of them. What the registry of npm serves is installed into a
// scratch directory; a systemd boots in namespaces of its own; the others have to be installed,
// and are named as absent if they are not. The load is that of relevo prove: no request is sent
// twice.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"relevo/bench/lines"
)

// plan is how much is measured.
type plan struct {
	rounds int
	load   time.Duration // of one load
	rolls  int           // of one peer in one round
	watch  time.Duration // how long an outage is watched, at the longest
	apps   []int
	saves  int
	lines  int // that a program prints
}

var (
	full = plan{rounds: 5, load: 2 * time.Second, rolls: 5, watch: 4 * time.Second, apps: []int{1, 10, 100}, saves: 5,
		lines: 1_000_000}
	less = plan{rounds: 1, load: time.Second, rolls: 2, watch: 3 * time.Second, apps: []int{1, 10}, saves: 2,
		lines: 100_000}
)

// table is one of those that are made.
type table struct {
	name    string
	title   string
	measure func(context.Context, *kit) (*result, error)
	rows    func() []string // the names of all its peers
}

var tables = []table{
	{"serving", "Serving", serving, allPeers},
	{"rolls", "Rolls", rolls, allPeers},
	{"faults", "Faults", faults, allPeers},
	{"apps", "Many apps", manyApps, func() []string { return rowsOf(houses) }},
	{"saved", "Saved and served", saved, func() []string { return rowsOf(watchers) }},
	{"lines", "Lines of a log", logLines, func() []string { return rowsOf(keepers) }},
}

func allPeers() []string { return rowsOf(peers()) }

func main() {
	if code, is := lines.Main(os.Args); is {
		os.Exit(code)
	}
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
	quick := flag.Bool("quick", false, "one short round of everything")
	only := flag.String("only", "", "only these tables, by commas: "+strings.Join(names, ","))
	chosen := flag.String("peers", "", "only peers whose name contains one of these, by commas")
	rounds := flag.Int("rounds", 0, "how many rounds; default 5, with -quick 1")
	results := flag.String("results", "", "add what is measured to this file")
	page := flag.String("page", "", "measure nothing: write the tables of the file of results into this page")
	flag.Parse()
	s, err := openStore(*results)
	if err != nil {
		return err
	}
	if *page != "" {
		return writePage(*page, s)
	}
	wanted, err := choose(*only, names)
	if err != nil {
		return err
	}
	parts := splitParts(*chosen)
	if wanted, err = narrow(wanted, parts, tables); err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	k, err := newKit(ctx, parts)
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
	return k.measure(ctx, wanted, s)
}

// splitParts returns the parts of names that -peers lists; none means all peers.
func splitParts(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// choose returns the tables that were asked for; nothing means all of them.
func choose(only string, names []string) (wanted []string, err error) {
	if only == "" {
		return names, nil
	}
	for name := range strings.SplitSeq(only, ",") {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("cannot measure %q: choose one of %s", name, strings.Join(names, ", "))
		}
		wanted = append(wanted, name)
	}
	return wanted, nil
}

// measure measures the tables, prints each one, and adds it to the file of results.
func (k *kit) measure(ctx context.Context, wanted []string, s *store) error {
	for _, t := range tables {
		if !slices.Contains(wanted, t.name) {
			continue
		}
		began := time.Now()
		k.table = t.name
		r, err := t.measure(ctx, k)
		if err != nil {
			return fmt.Errorf("cannot measure %s: %w", t.name, err)
		}
		fmt.Fprintf(os.Stderr, "%s: took %s\n", t.name, time.Since(began).Round(time.Second))
		fmt.Printf("\n## %s\n\n", t.title)
		r.write(os.Stdout)
		if s.path == "" {
			continue
		}
		if err := s.add(t.name, r); err != nil {
			return err
		}
	}
	return nil
}
