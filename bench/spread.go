package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"relevo/bench/figures"
	"slices"
)

const spreadWorkers = 4

// evenness counts how connections are shared out to four workers: a thousand fresh ones,
// and 32 that are kept.
func evenness(ctx context.Context, b *bench) error {
	for _, balance := range []string{"even", "shared"} {
		a, err := b.startCaptured(ctx, spreadWorkers, "--balance", balance)
		if err != nil {
			return err
		}
		wanted := map[string]string{"even": "≤ 1.25"}[balance]
		err = errors.Join(b.spreadFresh(ctx, a, balance, wanted), b.spreadKept(ctx, a, balance))
		if err = errors.Join(err, a.stop()); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) spreadFresh(ctx context.Context, a *app, balance, wanted string) error {
	var ratios []float64
	for range b.plan.pairs {
		counts := map[string]int{}
		for range 1000 {
			pid, err := ask(ctx, "http://"+a.address+"/")
			if err != nil {
				return err
			}
			counts[pid]++
		}
		least, most := extremes(counts)
		ratios = append(ratios, float64(most)/float64(max(least, 1)))
	}
	b.table.row(fmt.Sprintf("1000 connections to 4 workers, most / least, %s", balance),
		figures.Spread(ratios, "%.2f"), wanted)
	return nil
}

func (b *bench) spreadKept(ctx context.Context, a *app, balance string) error {
	var least, most []float64
	for range b.plan.pairs {
		counts, err := keep(ctx, a.address, 32)
		if err != nil {
			return err
		}
		fewest, largest := extremes(counts)
		least, most = append(least, float64(fewest)), append(most, float64(largest))
	}
	b.table.row(fmt.Sprintf("32 kept connections to 4 workers, of the worker with the fewest, %s", balance),
		figures.Spread(least, "%.0f"),
		map[string]string{"even": "≥ 1"}[balance])
	b.table.row(fmt.Sprintf("32 kept connections to 4 workers, of the worker with the most, %s", balance),
		figures.Spread(most, "%.0f"), "")
	return nil
}

// extremes has 0 for a worker without any.
func extremes(counts map[string]int) (least, most int) {
	all := make([]int, 0, spreadWorkers)
	for _, n := range counts {
		all = append(all, n)
	}
	for len(all) < spreadWorkers {
		all = append(all, 0)
	}
	return slices.Min(all), slices.Max(all)
}

// keep opens connections at once and says which process has how many of them.
func keep(ctx context.Context, address string, connections int) (map[string]int, error) {
	type answer struct {
		pid string
		err error
	}
	answers := make(chan answer)
	release := make(chan struct{})
	defer close(release)
	for range connections {
		go func() {
			transport := &http.Transport{MaxIdleConnsPerHost: 1}
			defer transport.CloseIdleConnections()
			pid, err := askOn(ctx, transport, "http://"+address+"/")
			answers <- answer{pid, err}
			<-release
		}()
	}
	counts := map[string]int{}
	var errs []error
	for range connections {
		got := <-answers
		counts[got.pid]++
		errs = append(errs, got.err)
	}
	return counts, errors.Join(errs...)
}
