package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"relevo/bench/figures"
	"relevo/internal/prove"
)

// throughput compares a pool of one with the bare program, in pairs.
func throughput(ctx context.Context, b *bench) error {
	a, err := b.startApp(ctx, 1)
	if err != nil {
		return err
	}
	p, err := b.startBare()
	if err != nil {
		return errors.Join(err, a.stop())
	}
	for _, kind := range []prove.Connections{prove.KeepAlive, prove.Fresh} {
		if err = b.compareThroughput(ctx, kind, a.address, p.address); err != nil {
			break
		}
	}
	p.stop()
	return errors.Join(err, a.stop())
}

func (b *bench) compareThroughput(ctx context.Context, kind prove.Connections, pool, bare string) error {
	ratios, pooled, err := b.compareRates(ctx, kind, pool, bare)
	if err != nil {
		return err
	}
	b.table.row(fmt.Sprintf("throughput of a pool of one / bare program, %s", kind),
		figures.Spread(ratios, "%.3f"), "≥ 0.98")
	b.table.row(fmt.Sprintf("requests per second behind relevo, %s, %d clients", kind, b.plan.clients),
		figures.Spread(pooled, "%.0f"), "")
	return nil
}

// compareRates loads two addresses in turn. It returns the first one's rates, each
// also by the second one's beside it.
func (b *bench) compareRates(ctx context.Context, kind prove.Connections, measured,
	with string) (ratios, rates []float64, err error) {
	for i := range b.plan.pairs + 1 {
		// Alternating which goes first keeps a drift from favouring one side.
		first, second := measured, with
		if i%2 == 1 {
			first, second = with, measured
		}
		one, err := b.rate(ctx, kind, first)
		if err != nil {
			return nil, nil, err
		}
		other, err := b.rate(ctx, kind, second)
		if err != nil {
			return nil, nil, err
		}
		if i%2 == 1 {
			one, other = other, one
		}
		if i == 0 {
			continue // warm-up
		}
		ratios, rates = append(ratios, one/other), append(rates, one)
	}
	return ratios, rates, nil
}

// rate loads an address for a while and returns answers per second.
func (b *bench) rate(ctx context.Context, kind prove.Connections, address string) (float64, error) {
	report, err := prove.Run(ctx, prove.Options{
		URL: "http://" + address + "/", Clients: b.plan.clients, Connections: kind, Duration: b.plan.length,
	})
	if err != nil {
		return 0, err
	}
	if lost := report.Lost(); lost > 0 {
		return 0, fmt.Errorf("%d requests were lost without any roll: %+v", lost, report.Samples)
	}
	return float64(report.Total.OK) / time.Duration(report.Duration).Seconds(), nil
}
