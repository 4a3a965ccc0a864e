package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"relevo/internal/prove"
)

// rolls counts what is lost while all processes are replaced again and again.
func rolls(ctx context.Context, k *kit) (*result, error) {
	r := newResult("Rolls", "All four processes are replaced by a new release, again and again, while eight clients "+
		"of each kind send a request every 5 ms. A request is lost if it gets no whole answer, or an error of the server; "+
		"nothing is sent again.",
		column{"lost per 100 rolls, new connections", "%.0f", true}, column{"lost per 100 rolls, kept alive", "%.0f", true},
		column{"longest without an answer, ms", "%.0f", false}, column{"one roll, s", "%.2f", false})
	return r, turns(k.plan.rounds, k.found(), func(p peer) error {
		s, err := k.launch(ctx, p)
		if s == nil {
			return r.once(p.name, err)
		}
		r.learn(ctx, s)
		if err := r.rolled(ctx, s); err != nil {
			r.note(p.name, "one roll, s", "failed: "+firstLine(err))
		}
		return s.stop()
	})
}

// once is missing, said once for all rounds.
func (r *result) once(peer string, err error) error {
	err = r.missing(peer, err)
	r.absent = slices.Compact(r.absent)
	return err
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
			time.Sleep(time.Second) // the load goes on: what is still being replaced may lose something
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
	n := float64(s.kit.plan.rolls)
	r.add(s.peer.name, "lost per 100 rolls, new connections", float64(report.Fresh.Lost.Total())*100/n)
	r.add(s.peer.name, "lost per 100 rolls, kept alive", float64(report.KeepAlive.Lost.Total())*100/n)
	r.add(s.peer.name, "longest without an answer, ms", float64(report.LongestGap)/float64(time.Millisecond))
	r.add(s.peer.name, "one roll, s", took.Seconds()/n)
	return nil
}
