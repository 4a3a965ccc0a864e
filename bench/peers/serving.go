package main

import (
	"context"
	"errors"
	"time"

	"relevo/internal/prove"
)

// clients of each load.
const clients = 16

// spreadOver is how many new connections are counted to see how evenly they are spread.
const spreadOver = 1000

// serving compares what peers serve: all of them run, and are loaded in turn.
func serving(ctx context.Context, k *kit) (r *result, err error) {
	r = newResult(k.plan.rounds,
		column{Name: "new connections/s", Format: "%.0f", Plot: true, More: true}, column{Name: "p99, ms", Format: "%.1f"},
		column{Name: "kept alive, requests/s", Format: "%.0f", Plot: true, More: true},
		column{Name: "kept alive, p99, ms", Format: "%.1f"}, column{Name: "spread", Format: "%.2f"})
	var all []*service
	defer func() {
		for _, s := range all {
			err = errors.Join(err, s.stop())
		}
	}()
	for _, p := range k.found() {
		s, err := k.launch(ctx, p)
		if err = r.missing(p.name, err); err != nil {
			return nil, err
		}
		if s != nil {
			r.learn(ctx, s)
			all = append(all, s)
		}
	}
	return r, turns(ctx, k, r, all, func(s *service) error { return r.serve(ctx, s) })
}

func (r *result) serve(ctx context.Context, s *service) error {
	for _, kind := range []struct {
		connections   prove.Connections
		rate, latency string
	}{
		{prove.Fresh, "new connections/s", "p99, ms"},
		{prove.KeepAlive, "kept alive, requests/s", "kept alive, p99, ms"},
	} {
		report, err := prove.Run(ctx, prove.Options{URL: s.url(), Clients: clients, Connections: kind.connections,
			Duration: s.kit.plan.load})
		if err != nil {
			return err
		}
		r.add(s.peer.name, kind.rate, float64(report.Total.OK)/time.Duration(report.Duration).Seconds())
		r.add(s.peer.name, kind.latency, float64(report.Total.Latency.P99)/float64(time.Millisecond))
	}
	counts := map[int]int{}
	for range spreadOver {
		pid, err := ask(ctx, s.address)
		if err != nil {
			return err
		}
		counts[pid]++
	}
	if s.peer.single {
		return nil
	}
	least, most := spreadOver, 0
	for _, n := range counts {
		least, most = min(least, n), max(most, n)
	}
	if len(counts) < processes {
		least = 1 // one of them got nothing at all
	}
	r.add(s.peer.name, "spread", float64(most)/float64(least))
	return nil
}
