package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"relevo/bench/figures"
)

// probes measures what asking an app costs: over HTTP, as Kubernetes' httpGet, and by commands, as
// its exec.
func probes(ctx context.Context, b *bench) error {
	a, err := b.startApp(ctx, 4, "--metrics", "127.0.0.1:0")
	if err != nil {
		return err
	}
	status, err := a.client.Status(ctx)
	if err != nil {
		return errors.Join(err, a.stop())
	}
	name := status.Name
	asks := []struct {
		name string
		ask  func() (time.Duration, error)
	}{
		{"httpGet /readyz", func() (time.Duration, error) {
			_, err := ask(ctx, "http://"+status.Metrics+"/readyz")
			return 0, err
		}},
		{"exec relevo status", func() (time.Duration, error) { return b.probe(ctx, "status", name) }},
		{"exec relevo wait", func() (time.Duration, error) { return b.probe(ctx, "wait", name, "--timeout", "1s") }},
	}
	for _, p := range asks {
		if err = b.probed(ctx, a, p.name, p.ask); err != nil {
			break
		}
	}
	return errors.Join(err, a.stop())
}

// probed asks again and again, and prints the time that one takes, the processor time of the
// command, and that of the master.
func (b *bench) probed(ctx context.Context, a *app, name string, ask func() (time.Duration, error)) error {
	var took, command []float64
	before := processorTime(a.process.Process.Pid)
	for range b.plan.spawns {
		began := time.Now()
		spent, err := ask()
		if err != nil {
			return fmt.Errorf("cannot ask by %s: %w", name, err)
		}
		took = append(took, figures.Milliseconds(time.Since(began)))
		if spent > 0 { // it was a command
			command = append(command, figures.Milliseconds(spent))
		}
	}
	master := figures.Milliseconds(processorTime(a.process.Process.Pid)-before) / float64(b.plan.spawns)
	b.table.row(name+", ms", figures.Spread(took, "%.1f"), "")
	if len(command) > 0 {
		b.table.row(name+", CPU of the command, ms", figures.Spread(command, "%.1f"), "")
	}
	b.table.row(name+", CPU of the master, ms", fmt.Sprintf("%.2f", master), "")
	return ctx.Err()
}

// probe runs a command of relevo, and returns its processor time.
func (b *bench) probe(ctx context.Context, args ...string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, b.relevo, args...)
	cmd.Env = b.environment()
	if said, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w: %s", err, said)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}
