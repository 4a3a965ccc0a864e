package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"relevo/bench/figures"
	"relevo/internal/control"
)

// large rolls pools that double in size, and asks the largest one for its status: what a worker
// costs must not depend on how many there are.
func large(ctx context.Context, b *bench) error {
	for _, workers := range b.plan.large {
		if err := b.largeOf(ctx, workers); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) largeOf(ctx context.Context, workers int) error {
	a, err := b.startApp(ctx, workers, "--canary", "0")
	if err != nil {
		return err
	}
	var each, asked []float64
	for range b.plan.largeRolls {
		var took time.Duration
		if took, err = a.roll(ctx); err != nil {
			break
		}
		each = append(each, figures.Milliseconds(took)/float64(workers))
	}
	for range b.plan.scrapes {
		if err != nil {
			break
		}
		began := time.Now()
		_, err = a.client.Status(ctx)
		asked = append(asked, figures.Milliseconds(time.Since(began)))
	}
	if err = errors.Join(err, a.stop()); err != nil {
		return err
	}
	b.table.row(fmt.Sprintf("roll of %d workers, one at a time, canary 0, by their number, ms", workers),
		figures.Spread(each, "%.2f"), "")
	wanted := ""
	if workers == 512 {
		wanted = "≤ 10"
	}
	b.table.row(fmt.Sprintf("status of %d workers on the control socket, ms", workers), figures.Spread(asked, "%.1f"),
		wanted)
	return nil
}

// roll rolls, and returns how long it took.
func (a *app) roll(ctx context.Context) (time.Duration, error) {
	result, err := a.client.Reload(ctx, control.ReloadOptions{})
	if err == nil {
		err = result.Error()
	}
	return result.Ended.Sub(result.Started), err
}
