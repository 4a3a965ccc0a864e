package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"relevo/bench/figures"
	"relevo/internal/control"
)

// successionPool is the number of workers that pass from master to master.
const successionPool = 16

// succession measures how long the control socket does not answer while one
// master follows another, and whether masters grow.
func succession(ctx context.Context, b *bench) error {
	for _, how := range []string{"tableflip", "exec"} {
		a, err := b.startApp(ctx, successionPool, "--upgrade", how)
		if err != nil {
			return err
		}
		err = a.measureSuccessions(ctx, b, how)
		if stopErr := a.end(ctx); err == nil {
			err = stopErr
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *app) measureSuccessions(ctx context.Context, b *bench, how string) error {
	var gaps, took []float64
	early := 0
	for i := range b.plan.upgrades {
		began := time.Now()
		gap, err := a.upgrade(ctx)
		if err != nil {
			return err
		}
		gaps, took = append(gaps, figures.Milliseconds(gap)), append(took, figures.Milliseconds(time.Since(began)))
		if i == 9 {
			if early, err = a.memory(ctx); err != nil {
				return err
			}
		}
	}
	late, err := a.memory(ctx)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%s, %d workers", how, successionPool)
	b.table.row("relevo upgrade by "+what+", ms", figures.Spread(took, "%.0f"), "")
	b.table.row("longest time without an answer on the control socket meanwhile, ms", figures.Spread(gaps, "%.1f"), "")
	b.table.row(fmt.Sprintf("resident memory of the master after %d upgrades (after 10), MB", b.plan.upgrades),
		fmt.Sprintf("%.1f (%.1f)", float64(late)/1000, float64(early)/1000), "≤ 25")
	return nil
}

// memory is the resident memory of the present master in KiB.
func (a *app) memory(ctx context.Context) (int, error) {
	status, err := a.client.Status(ctx)
	if err != nil {
		return 0, err
	}
	return statusField(status.PID, "VmRSS")
}

// upgrade replaces the master and returns the longest time between two answers.
func (a *app) upgrade(ctx context.Context) (gap time.Duration, err error) {
	upgraded := make(chan error, 1)
	go func() {
		_, err := a.client.Upgrade(ctx)
		upgraded <- err
	}()
	for last := time.Now(); ; {
		if _, err := a.client.Status(ctx); err == nil {
			now := time.Now()
			gap, last = max(gap, now.Sub(last)), now
		}
		select {
		case err := <-upgraded:
			return gap, err
		default:
		}
	}
}

// end stops the app, whichever process is its master now.
func (a *app) end(ctx context.Context) error {
	status, err := a.client.Status(ctx)
	if err == nil {
		err = a.client.Stop(ctx, false)
	}
	for err == nil && syscall.Kill(status.PID, 0) == nil && control.ExitCode(a.gone(ctx)) != control.ExitNotRunning {
		err = pause(ctx, 10*time.Millisecond)
	}
	return errors.Join(err, a.process.Wait())
}

func (a *app) gone(ctx context.Context) error {
	_, err := a.client.Status(ctx)
	return err
}
