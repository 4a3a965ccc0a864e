package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"relevo/internal/control"
)

// givenBack is by when a master has given back what its start has used.
const givenBack = 2 * time.Second

// memory reads the master's resident memory with one worker, and with many: while it only serves,
// and after a roll.
func memory(ctx context.Context, b *bench) error {
	for _, size := range []int{1, b.plan.poolSize} {
		if err := b.memoryOf(ctx, size); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) memoryOf(ctx context.Context, size int) error {
	a, err := b.startApp(ctx, size, "--canary", "0", "--surge", "4")
	if err != nil {
		return err
	}
	err = pause(ctx, givenBack)
	serving, servingErr := a.resident()
	_, rollErr := a.client.Reload(ctx, control.ReloadOptions{})
	rolled, rolledErr := a.resident()
	if err = errors.Join(err, servingErr, rollErr, rolledErr, a.stop()); err != nil {
		return err
	}
	b.table.row(fmt.Sprintf("resident memory of a master that only serves, %d workers, MB", size), serving.String(),
		"≤ 25")
	b.table.row(fmt.Sprintf("resident memory of the master after a roll, %d workers, MB", size), rolled.String(), "≤ 25")
	return nil
}

// residency is the resident memory of a process in KiB, and how much of it are pages of files.
type residency struct{ all, file int }

func (a *app) resident() (residency, error) { return residencyOf(a.process.Process.Pid) }

func residencyOf(pid int) (r residency, err error) {
	r.all, err = statusField(pid, "VmRSS")
	var fileErr error
	r.file, fileErr = statusField(pid, "RssFile")
	return r, errors.Join(err, fileErr)
}

func (r residency) String() string {
	return fmt.Sprintf("%.1f, %.1f of it relevo's own file", float64(r.all)/1000, float64(r.file)/1000)
}
