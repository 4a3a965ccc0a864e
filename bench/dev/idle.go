package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"relevo/internal/procfs"
)

// idle looks at a master that watches a large tree while nothing happens.
func (b *bench) idle(ctx context.Context) error {
	dir := filepath.Join(b.dir, "large")
	const perDir = 20
	for i := range b.plan.files {
		path := filepath.Join(dir, fmt.Sprintf("d%02d/e%02d", i/perDir/25, i/perDir%25), fmt.Sprintf("f%d.txt", i))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(strings.Repeat(strconv.Itoa(i), 200)), 0o644); err != nil {
			return err
		}
	}
	begin := time.Now()
	args := []string{b.bin + "/relevo", "dev", "--name", "idle", "--watch", "**/*.txt", "--", b.bin + "/relevo", "__serve"}
	r, err := b.start(tool{name: "relevo dev", args: args}, project{dir}, 0)
	if err != nil {
		return err
	}
	defer r.stop()
	for !strings.Contains(r.out.String(), "watching") {
		if time.Since(begin) > time.Minute || ctx.Err() != nil {
			return fmt.Errorf("it does not begin to watch:\n%s", r.out)
		}
		time.Sleep(probeEvery)
	}
	watching := time.Since(begin)
	if _, err := r.ask(stuckAfter); err != nil {
		return fmt.Errorf("it does not serve: %w\n%s", err, r.out)
	}
	before, err := settled(r.cmd.Process.Pid)
	if err != nil {
		return err
	}
	time.Sleep(b.plan.idle)
	after, err := usage(r.cmd.Process.Pid)
	if err != nil {
		return err
	}
	fmt.Printf("\nidle for %s, %d files in %d directories: CPU %s, wake-ups %d, inotify watches %d, resident %.1f MiB; "+
		"watching %s after the start\n",
		b.plan.idle, b.plan.files, b.plan.files/perDir+b.plan.files/perDir/25+1,
		after.cpu-before.cpu, after.wakeups-before.wakeups, after.watches, float64(after.resident)/(1<<20),
		watching.Round(time.Millisecond))
	return nil
}

// settled waits until a process has nothing to do from one second to the next: the
// start is over. It gives up after a minute, for one that never rests is to be shown so.
func settled(pid int) (now use, err error) {
	for range 60 {
		before := now
		if now, err = usage(pid); err != nil || before.wakeups > 0 && now.wakeups-before.wakeups < restless {
			return now, err
		}
		time.Sleep(time.Second)
	}
	return now, nil
}

// restless is how many wake-ups a second are those of a process at work.
const restless = 10

// use is what a process has used so far.
type use struct {
	cpu      time.Duration
	wakeups  int // voluntary context switches of all its threads
	watches  int
	resident int
}

func usage(pid int) (u use, err error) {
	stat, err := procfs.Of(pid).Stat()
	if err != nil {
		return u, fmt.Errorf("cannot look at the master: %w", err)
	}
	u.cpu, u.resident = stat.CPU(), int(stat.Resident())
	for _, thread := range procfs.Of(pid).Threads() {
		value, _ := thread.Status("voluntary_ctxt_switches")
		n, _ := strconv.Atoi(value)
		u.wakeups += n
	}
	infos, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	for _, info := range infos {
		text, _ := os.ReadFile(info)
		u.watches += strings.Count(string(text), "inotify wd:")
	}
	return u, nil
}
