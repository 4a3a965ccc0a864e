package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// dashboards measures relevo monit on terminals of two sizes, with many workers: its largest memory after
// its start, and its processor time.
func dashboards(ctx context.Context, b *bench) error {
	a, err := b.startApp(ctx, b.plan.poolSize)
	if err != nil {
		return err
	}
	for _, size := range [][2]uint16{{80, 24}, {120, 40}} {
		if err == nil {
			err = b.dashboardOf(ctx, size[0], size[1])
		}
	}
	return errors.Join(err, a.stop())
}

func (b *bench) dashboardOf(ctx context.Context, columns, lines uint16) error {
	keyboard, screen, err := openTerminal(columns, lines)
	if err != nil {
		return err
	}
	defer keyboard.Close()
	go io.Copy(io.Discard, keyboard) // ends with the terminal
	monit := exec.Command(b.relevo, "monit")
	monit.Env = append(b.environment(), "TERM=xterm-256color")
	monit.Stdin, monit.Stdout, monit.Stderr = screen, screen, screen
	monit.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = monit.Start()
	screen.Close()
	if err != nil {
		return fmt.Errorf("cannot start relevo monit: %w", err)
	}
	largest, percent, err := watchDashboard(ctx, monit.Process.Pid, b.plan.idle)
	monit.Process.Signal(os.Interrupt)
	if err = errors.Join(err, monit.Wait()); err != nil {
		return err
	}
	what := fmt.Sprintf("relevo monit, %d workers, a terminal of %d × %d: ", b.plan.poolSize, columns, lines)
	b.table.row(what+"resident memory, MB", largest.String(), "≤ 20")
	b.table.row(what+"% of a processor", fmt.Sprintf("%.1f", percent), "≤ 2")
	return nil
}

// watchDashboard looks once a second, from the moment when the start is over.
func watchDashboard(ctx context.Context, pid int, long time.Duration) (largest residency, percent float64, err error) {
	const started = 4 * time.Second
	if err := pause(ctx, started); err != nil {
		return largest, 0, err
	}
	begin, before := time.Now(), processorTime(pid)
	for time.Since(begin) < long {
		r, err := residencyOf(pid)
		if err = errors.Join(err, pause(ctx, time.Second)); err != nil {
			return largest, 0, err
		}
		if r.all > largest.all {
			largest = r
		}
	}
	return largest, 100 * float64(processorTime(pid)-before) / float64(time.Since(begin)), nil
}
