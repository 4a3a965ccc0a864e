package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"relevo/bench/figures"
	"relevo/internal/launch"
	"relevo/internal/procfs"
	"relevo/pool"
)

// spawn compares starting /bin/true by the shim with starting it directly:
// what is left is the shim's own cost.
func spawn(_ context.Context, b *bench) error {
	program, err := exec.LookPath("true")
	if err != nil {
		return fmt.Errorf("cannot find a program that does nothing: %w", err)
	}
	launcher, err := launch.New(launch.Options{Program: b.relevo,
		Streams: launch.Streams{Inherit: [2]*os.File{os.Stdout, os.Stderr}}})
	if err != nil {
		return err
	}
	release, err := launcher.Prepare(launch.Command{App: "bench", Args: []string{program}})
	if err != nil {
		return err
	}
	defer release.Close()
	var extra []float64
	for i := range b.plan.spawns + 1 {
		launched, err := timeLaunch(release)
		if err != nil {
			return err
		}
		begin := time.Now()
		if err := exec.Command(program).Run(); err != nil {
			return err
		}
		if i > 0 { // the first is a warm-up
			extra = append(extra, figures.Milliseconds(launched-time.Since(begin)))
		}
	}
	b.table.row("start of a process by the shim − directly, ms", figures.Spread(extra, "%.2f"), "≤ 2")
	return nil
}

// timeLaunch measures from the order to the reported exit, as exec's Run does.
func timeLaunch(release *launch.Release) (time.Duration, error) {
	exited := make(chan pool.ExitStatus, 1)
	begin := time.Now()
	_, err := release.Start(pool.Order{ID: "1"}, func(r pool.Report) {
		if e, ok := r.(pool.Exited); ok {
			exited <- e.Status
		}
	})
	if err != nil {
		return 0, err
	}
	if status := <-exited; status != (pool.ExitStatus{}) {
		return 0, errors.New("cannot start a program that does nothing: " + status.String())
	}
	return time.Since(begin), nil
}

// rolls measures the duration of a roll of 16 workers.
func rolls(ctx context.Context, b *bench) error {
	const size = 16
	for _, canary := range []string{"0", "1s"} {
		a, err := b.startApp(ctx, size, "--canary", canary)
		if err != nil {
			return err
		}
		var took []float64
		for range b.plan.rolls {
			one, rollErr := a.roll(ctx)
			if err = rollErr; err != nil {
				break
			}
			took = append(took, figures.Milliseconds(one))
		}
		if err = errors.Join(err, a.stop()); err != nil {
			return err
		}
		b.table.row(fmt.Sprintf("roll of %d workers, one at a time, canary %s, ms", size, canary),
			figures.Spread(took, "%.0f"), "")
	}
	return nil
}

// idle counts how often the kernel put the master on a processor in a quiet
// time. Without a health check that is never.
func idle(ctx context.Context, b *bench) error {
	for _, c := range []struct {
		workers string
		start   func(ctx context.Context, workers int, flags ...string) (*app, error)
		flags   []string
		target  string
	}{
		{"workers", b.startApp, nil, "0"},
		{"captured workers", b.startCaptured, nil, "0"},
		{"captured workers, health every 10s", b.startCaptured, []string{"--health", "/", "--health-interval", "10s"}, "-"},
	} {
		a, err := c.start(ctx, 4, c.flags...)
		if err != nil {
			return err
		}
		err = pause(ctx, 5*time.Second) // let the runtime come to rest
		before := wakeups(a.process.Process.Pid)
		if err == nil {
			err = pause(ctx, b.plan.idle)
		}
		after := wakeups(a.process.Process.Pid)
		if err = errors.Join(err, a.stop()); err != nil {
			return err
		}
		b.table.row(fmt.Sprintf("wake-ups of the idle master in %s, 4 %s", b.plan.idle, c.workers), fmt.Sprint(after-before),
			c.target)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// wakeups adds up the context switches of all threads (proc_pid_status(5)).
func wakeups(pid int) (total int) {
	threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, thread := range threads {
		id, _ := strconv.Atoi(thread.Name())
		for _, field := range []string{"voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"} {
			n, _ := statusField(id, field)
			total += n
		}
	}
	return total
}

func statusField(pid int, field string) (int, error) {
	text, err := procfs.Of(pid).Status(field)
	if err != nil {
		return 0, err
	}
	value, _, _ := strings.Cut(text, " ") // "1234 kB"
	return strconv.Atoi(value)
}
