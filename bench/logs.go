package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"relevo/bench/figures"
	"relevo/bench/lines"
	"relevo/internal/procfs"
)

// printed is what it cost to print lines.
type printed struct {
	worker time.Duration // until the worker had written all
	master time.Duration // its CPU time
	peak   float64       // its resident memory, MB
}

// logs compares files that rotate with the ways of output that keep nothing.
func logs(ctx context.Context, b *bench) error {
	ways := []string{"files", "plain", "inherit", "a pipe to cat, no relevo", byPM2}
	program, err := b.findPM2(ctx)
	if err != nil {
		return err
	}
	for _, how := range []string{lines.InBlocks, lines.Singly} {
		count := b.plan.lines
		if how == lines.Singly {
			count /= 4
		}
		worker, master := map[string][]float64{}, map[string][]float64{}
		var peak []float64
		for range b.plan.rolls {
			for _, way := range ways {
				p, err := printed{}, error(nil)
				if way == byPM2 {
					p, err = b.printByPM2(ctx, program, how, count)
				} else {
					p, err = b.printLines(ctx, way, how, count)
				}
				if err != nil {
					return err
				}
				worker[way] = append(worker[way], float64(p.worker.Nanoseconds())/float64(count))
				master[way] = append(master[way], float64(p.master.Nanoseconds())/float64(count))
				if way == "files" {
					peak = append(peak, p.peak)
				}
			}
		}
		for _, way := range ways {
			what := fmt.Sprintf("a line of %d bytes, printed in %s: %s, ns", lines.Bytes, how, way)
			b.table.row(what+" of the worker", figures.Spread(worker[way], "%.0f"), "")
			if way == "files" || way == "plain" {
				b.table.row(what+" of the master's CPU", figures.Spread(master[way], "%.0f"), "")
			}
		}
		b.table.row("the largest resident memory of the master meanwhile: files, MB", figures.Spread(peak, "%.1f"), "≤ 25")
	}
	return nil
}

// printLines has one worker print lines to a file, by way of a master or of a pipe.
func (b *bench) printLines(ctx context.Context, way, how string, count int) (p printed, err error) {
	b.apps++
	name := fmt.Sprintf("bench%d", b.apps)
	result, taken := filepath.Join(b.dir, name+".took"), filepath.Join(b.dir, name+".out")
	file, err := os.Create(taken)
	if err != nil {
		return p, fmt.Errorf("cannot make a file for the lines: %w", err)
	}
	defer os.Remove(taken)
	defer os.RemoveAll(filepath.Join(b.home, name))
	defer file.Close()
	args := append([]string{b.self}, lines.Args(count, how, result)...)
	cmd := exec.Command("sh", "-c", strings.Join(args, " ")+" | cat")
	if way == "files" || way == "plain" || way == "inherit" {
		flags := []string{"run", "--name", name, "-n", "1", "--ready", "delay=1ms", "--output", way, "--"}
		cmd = exec.Command(b.relevo, append(flags, args...)...)
	}
	cmd.Env, cmd.Stdout = b.environment(), file
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return p, fmt.Errorf("cannot start it: %w", err)
	}
	defer cmd.Wait()
	p.worker, err = awaitLines(ctx, result)
	if cmd.Args[0] == b.relevo {
		spent, memErr := masterCost(cmd.Process.Pid)
		p.master, p.peak, err = spent.master, spent.peak, errors.Join(err, memErr)
		return p, errors.Join(err, cmd.Process.Signal(syscall.SIGTERM))
	}
	return p, errors.Join(err, syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL))
}

const byPM2 = "PM2"

// printByPM2 has PM2 take the lines, which writes them to a file of its own.
func (b *bench) printByPM2(ctx context.Context, program, how string, count int) (p printed, err error) {
	b.apps++
	home := filepath.Join(b.dir, fmt.Sprintf("pm2-%d", b.apps))
	defer os.RemoveAll(home)
	run := func(args ...string) error {
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Env = append(os.Environ(), "PM2_HOME="+home)
		if said, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("cannot run pm2 %s: %w: %s", args[0], err, said)
		}
		return nil
	}
	result := home + ".took"
	err = run(append([]string{"start", b.self, "--interpreter", "none", "--"}, lines.Args(count, how, result)...)...)
	if err == nil {
		p.worker, err = awaitLines(ctx, result)
	}
	return p, errors.Join(err, run("kill"))
}

func masterCost(pid int) (p printed, err error) {
	stat, err := procfs.Of(pid).Stat()
	if err != nil {
		return p, err
	}
	kib, err := statusField(pid, "VmHWM")
	p.master, p.peak = stat.CPU(), float64(kib)/1000
	return p, err
}

// awaitLines waits until a program has written its lines, and returns how long that took.
func awaitLines(ctx context.Context, result string) (time.Duration, error) {
	for {
		printed, err := lines.Read(result)
		if err == nil {
			return printed.Took, nil
		}
		if pause(ctx, 5*time.Millisecond) != nil {
			return 0, fmt.Errorf("cannot wait for the lines: %w", err)
		}
	}
}
