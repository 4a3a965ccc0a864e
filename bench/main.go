// Command bench measures what relevo costs and prints the table of docs/benchmarks.md:
//
//	go run ./bench              everything, about nine minutes
//	go run ./bench -quick       fewer and shorter runs, to see that it works
//	go run ./bench -only rss    one row; -help names them
//
// It builds relevo, runs real masters with this program as their worker, and
// compares in pairs: a run with relevo, then one without, and so on, so that a
// machine whose speed drifts slows both down alike. Medians are printed, with the
// smallest and the largest of the runs behind them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"relevo/bench/figures"
	"relevo/bench/lines"
)

// plan is how much is measured.
type plan struct {
	pairs    int           // paired runs of the throughput
	length   time.Duration // of one throughput run
	spawns   int
	kills    int
	rolls    int
	idle     time.Duration
	clients  int
	poolSize int // of the large pool
	upgrades int
	scrapes  int
	lines    int           // that a worker prints
	step     time.Duration // of a load that changes
	wakes    int           // of an app that sleeps

	large      []int // sizes of pools
	largeRolls int   // of each of them
}

var (
	full = plan{pairs: 25, length: 700 * time.Millisecond, spawns: 100, kills: 40, rolls: 5, idle: 30 * time.Second,
		clients: 16, poolSize: 64, upgrades: 100, lines: 4_000_000, scrapes: 40, step: 20 * time.Second, wakes: 100,
		large: []int{64, 128, 256, 512}, largeRolls: 3}
	quick = plan{pairs: 3, length: 500 * time.Millisecond, spawns: 20, kills: 5, rolls: 2, idle: 3 * time.Second,
		clients: 16, poolSize: 64, upgrades: 12, lines: 500_000, scrapes: 10, step: 3 * time.Second, wakes: 5,
		large: []int{64, 128}, largeRolls: 1}
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == workerVerb {
		os.Exit(workerMain(os.Args[2:]))
	}
	if code, is := lines.Main(os.Args); is {
		os.Exit(code)
	}
	if len(os.Args) > 2 && os.Args[1] == plainVerb {
		os.Exit(plainMain(os.Args[2]))
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	short := flag.Bool("quick", false, "fewer and shorter runs")
	only := flag.String("only", "", "one measurement: "+strings.Join(names(), " "))
	flag.Parse()
	p := full
	if *short {
		p = quick
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	b, err := newBench(ctx, p)
	if err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	fmt.Fprintln(os.Stderr, figures.Machine())
	ran := false
	b.table.header()
	for _, m := range measurements {
		if *only != "" && *only != m.name {
			continue
		}
		ran = true
		if err := m.measure(ctx, b); err != nil {
			return fmt.Errorf("cannot measure %s: %w", m.name, err)
		}
	}
	if !ran {
		return fmt.Errorf("cannot measure %q: choose one of %s", *only, strings.Join(names(), " "))
	}
	return nil
}

// measurement is one or more rows of the table.
type measurement struct {
	name    string
	measure func(context.Context, *bench) error
}

var measurements = []measurement{
	{"throughput", throughput},
	{"spawn", spawn},
	{"recovery", recovery},
	{"roll", rolls},
	{"large", large},
	{"rss", memory},
	{"monit", dashboards},
	{"apps", background},
	{"scrape", scrapes},
	{"probes", probes},
	{"idle", idle},
	{"succession", succession},
	{"captured", captured},
	{"bind", bind},
	{"balance", balance},
	{"spread", evenness},
	{"cluster", cluster},
	{"pm2", pm2},
	{"health", health},
	{"scaling", scaling},
	{"logs", logs},
	{"sleep", asleep},
}

func names() (all []string) {
	for _, m := range measurements {
		all = append(all, m.name)
	}
	return all
}

// bench is what all measurements share.
type bench struct {
	plan   plan
	dir    string // scratch: the built relevo
	home   string // in dir: sockets and state. Masters watch the directory of relevo, and not this one.
	relevo string
	self   string // this program, which is the worker too
	table  table
	apps   int // that were started
}

func newBench(ctx context.Context, p plan) (*bench, error) {
	dir, err := os.MkdirTemp("", "relevo-bench")
	if err != nil {
		return nil, fmt.Errorf("cannot make a scratch directory: %w", err)
	}
	b := &bench{plan: p, dir: dir, home: filepath.Join(dir, "home"), relevo: filepath.Join(dir, "relevo")}
	if b.self, err = os.Executable(); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot find this program's own file: %w", err), os.RemoveAll(dir))
	}
	if err := figures.BuildRelevo(ctx, b.relevo); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return b, nil
}
