package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"relevo/bench/figures"
	"relevo/internal/prove"
)

// The columns of rolls.
const (
	lostFresh  = "lost per 100 rolls, new connections"
	lostKept   = "lost per 100 rolls, kept alive"
	gapInRolls = "longest without an answer, ms"
	rollTakes  = "one roll, s"
)

func managerAfter(rolls int) string {
	return fmt.Sprintf("memory of the manager after %d rolls, MiB", rolls)
}

// rolls counts what is lost while all processes are replaced again and again.
func rolls(ctx context.Context, k *kit) (*result, error) {
	r := newResult(k.plan.rounds, column{Name: lostFresh, Format: "%.0f", Plot: true},
		column{Name: lostKept, Format: "%.0f", Plot: true}, column{Name: gapInRolls, Format: "%.0f"},
		column{Name: rollTakes, Format: "%.2f"}, column{Name: managerAfter(k.plan.rolls), Format: "%.1f"})
	return r, turns(ctx, k, r, k.found(), func(p peer) error {
		s, err := k.launch(ctx, p)
		if err != nil {
			return err
		}
		r.learn(ctx, s)
		if err := r.rolled(ctx, s); err != nil {
			r.note(p.name, rollTakes, "failed: "+firstLine(err))
		}
		return s.stop()
	})
}

func (r *result) rolled(ctx context.Context, s *service) error {
	load, end := context.WithCancel(ctx)
	defer end()
	var rollErr error
	var took time.Duration
	rolled := make(chan struct{})
	begin := func() {
		go func() {
			defer close(rolled)
			defer end()
			began := time.Now()
			for range s.kit.plan.rolls {
				if rollErr = s.roll(ctx); rollErr != nil {
					return
				}
			}
			took = time.Since(began)
			time.Sleep(time.Second) // the load continues: workers that are still being replaced may lose something
		}()
	}
	report, err := prove.Run(load, prove.Options{URL: s.url(), Clients: 8, Pause: 5 * time.Millisecond,
		Duration: time.Hour, Answered: begin})
	if err != nil && !(errors.Is(err, context.Canceled) && ctx.Err() == nil) { // the end of the rolls ends the load
		return err
	}
	<-rolled
	if rollErr != nil {
		return rollErr
	}
	if report.Lost() > 0 {
		fmt.Fprintf(os.Stderr, "%s lost: new connections %+v; kept alive %+v; samples %+v\n", s.peer.name,
			report.Fresh.Lost, report.KeepAlive.Lost, report.Samples)
	}
	n := float64(s.kit.plan.rolls)
	r.add(s.peer.name, lostFresh, float64(report.Fresh.Lost.Total())*100/n)
	r.add(s.peer.name, lostKept, float64(report.KeepAlive.Lost.Total())*100/n)
	r.add(s.peer.name, gapInRolls, float64(report.LongestGap)/float64(time.Millisecond))
	r.add(s.peer.name, rollTakes, took.Seconds()/n)
	if s.manager == nil {
		return nil
	}
	memory, err := figures.Memory(s.manager(), "Pss")
	if err == nil {
		r.add(s.peer.name, managerAfter(s.kit.plan.rolls), memory)
	}
	return err
}
