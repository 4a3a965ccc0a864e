package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"relevo/bench/figures"
	"relevo/pool"
)

// recovery measures from SIGKILL to the replacement's ready, less the time that the program itself
// takes to start: in a small pool and in a large one.
func recovery(ctx context.Context, b *bench) error {
	for _, workers := range []int{2, b.plan.poolSize} {
		if err := b.recoveryOf(ctx, workers); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) recoveryOf(ctx context.Context, workers int) error {
	a, err := b.startApp(ctx, workers)
	if err != nil {
		return err
	}
	var extra []float64
	for i := range b.plan.kills {
		// A worker that dies soon after it got ready backs off; this measures one that has served for a
		// while, as all have that were not yet killed.
		if i%workers == 0 {
			err = pause(ctx, served)
		}
		var took time.Duration
		if err == nil {
			took, err = b.killBeside(ctx, a, i%workers)
		}
		if err != nil {
			break
		}
		extra = append(extra, figures.Milliseconds(took))
	}
	if err = errors.Join(err, a.stop()); err != nil {
		return err
	}
	what := fmt.Sprintf("SIGKILL of one of %d workers to its replacement ready − start of the bare program, ms", workers)
	b.table.row(what, figures.Spread(extra, "%.2f"), "≤ 10")
	return nil
}

// killBeside kills the worker of a slot, beside a start of the bare program.
func (b *bench) killBeside(ctx context.Context, a *app, slot int) (time.Duration, error) {
	p, err := b.startBare()
	if err != nil {
		return 0, err
	}
	p.stop()
	took, err := a.kill(ctx, slot)
	return took - p.started, err
}

const served = 1500 * time.Millisecond

// kill kills the worker of a slot, and returns how long it took until the next one was ready.
func (a *app) kill(ctx context.Context, slot int) (time.Duration, error) {
	events, err := a.client.Events(ctx)
	if err != nil {
		return 0, err
	}
	defer events.Close()
	begin := time.Now()
	if _, err := a.client.Signal(ctx, pool.Target{Slot: &slot}, "KILL"); err != nil {
		return 0, err
	}
	for {
		e, _, err := events.Next()
		if err != nil {
			return 0, err
		}
		if e.Kind == pool.KindReady {
			return e.Time.Sub(begin), nil
		}
	}
}
