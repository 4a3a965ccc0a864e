package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"text/tabwriter"
	"time"
)

// latency measures from a save to its being served.
func (b *bench) latency(ctx context.Context) error {
	floor, err := b.floor(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("save → served, median of %d saves (smallest … largest), refused: connections while one "+
		"save was made live\n\n", b.plan.edits)
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "tool\tsave → served\t\trefused per save (median, max)\tsplit (medians)")
	fmt.Fprintf(table, "go build alone\t%s\t\t\t\n", spread(floor))
	for _, t := range b.tools() {
		if t.pkg != "" && !b.install(t.pkg) {
			continue
		}
		times, refused, split, err := b.toolLatency(ctx, t)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		fmt.Fprintf(table, "%s\t%s\t\t%d, %d\t%s\n", t.name, spread(times), median(refused), slices.Max(refused), split)
	}
	return table.Flush()
}

// floor is go build alone, after a change.
func (b *bench) floor(ctx context.Context) (times []time.Duration, err error) {
	p, err := b.newProject("floor")
	if err != nil {
		return nil, err
	}
	for i := range b.plan.edits + 1 {
		if err := p.save(fmt.Sprintf("v%d", i)); err != nil {
			return nil, err
		}
		cmd := exec.CommandContext(ctx, "go", "build", "-o", "out", ".")
		cmd.Dir = p.dir
		begin := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("cannot build: %w\n%s", err, out)
		}
		if i > 0 { // the first fills the cache
			times = append(times, time.Since(begin))
		}
	}
	return times, nil
}

// stuckAfter is when a save counts as one that is never served.
const stuckAfter = 20 * time.Second

func (b *bench) toolLatency(ctx context.Context, t tool) (times []time.Duration, refused []int, split string,
	err error) {
	p, err := b.newProject("latency")
	if err != nil {
		return nil, nil, "", err
	}
	r, err := b.start(t, p, 0)
	if err != nil {
		return nil, nil, "", err
	}
	defer r.stop()
	if err := r.await(ctx, "v0"); err != nil {
		return nil, nil, "", err
	}
	stuck := 0
	for i := range b.plan.edits {
		time.Sleep(pause)
		version := fmt.Sprintf("v%d", i+1)
		if err := p.save(version); err != nil {
			return nil, nil, "", err
		}
		begin, n := time.Now(), 0
		for {
			got, err := r.ask(10 * time.Second)
			if err != nil {
				n++
			}
			if got == version {
				break
			}
			if time.Since(begin) > stuckAfter || ctx.Err() != nil {
				stuck++
				break
			}
			time.Sleep(probeEvery)
		}
		if time.Since(begin) < stuckAfter {
			times, refused = append(times, time.Since(begin)), append(refused, n)
		}
	}
	if split = splitOf(r.out.String()); stuck > 0 {
		split = fmt.Sprintf("%d saves were never served", stuck)
	}
	if len(times) == 0 {
		return nil, nil, "", fmt.Errorf("no save was served:\n%s", r.out)
	}
	return times, refused, split, ctx.Err()
}

var cycle = regexp.MustCompile(`msg="a cycle" quiet=(\S+) built=(\S+) prepared=(\S+) started=(\S+) ` +
	`rolled=(\S+) all=(\S+)`)

// splitOf are the medians of what relevo says of its cycles.
func splitOf(out string) string {
	var parts [6][]time.Duration
	for _, m := range cycle.FindAllStringSubmatch(out, -1) {
		for i := range parts {
			d, _ := time.ParseDuration(m[i+1])
			parts[i] = append(parts[i], d)
		}
	}
	if len(parts[0]) == 0 {
		return ""
	}
	ms := func(i int) int64 { return median(parts[i]).Milliseconds() }
	return fmt.Sprintf("debounce %d, build %d, prepare %d, start %d, roll %d ms", ms(0), ms(1), ms(2), ms(3), ms(4))
}

func median[T int | time.Duration](all []T) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

func spread(all []time.Duration) string {
	return fmt.Sprintf("%.2f s (%.2f … %.2f)", median(all).Seconds(), slices.Min(all).Seconds(),
		slices.Max(all).Seconds())
}
