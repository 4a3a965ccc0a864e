package dev

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

// job is a program that builds.
type job struct {
	args []string
	dir  string
	env  []string // added to the inherited environment
	end  os.Signal
}

// outcome is the result of a job.
type outcome struct {
	err    error // nil: it succeeded
	output string
	took   time.Duration
}

// killAfter is the time between SIGTERM and SIGKILL for a job.
const killAfter = time.Second

// run runs a job in a process group of its own. When ctx ends, the whole group gets SIGTERM, and
// SIGKILL after killAfter; run returns when the job's own process has ended.
func (j job) run(ctx context.Context) outcome {
	began := time.Now()
	cmd := exec.CommandContext(ctx, j.args[0], j.args[1:]...)
	cmd.Dir, cmd.Env = j.dir, append(os.Environ(), j.env...)
	var output tailBuffer
	cmd.Stdout, cmd.Stderr = &output, &output
	ownGroup(cmd)
	cmd.Cancel = func() error { return signalGroup(cmd.Process.Pid, j.end) }
	// A child that is left running may hold the output open; do not wait for it longer than this.
	cmd.WaitDelay = killAfter
	err := cmd.Run()
	if ctx.Err() != nil && cmd.Process != nil {
		signalGroup(cmd.Process.Pid, os.Kill)
		err = ctx.Err()
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	if err != nil && cmd.ProcessState == nil {
		err = fmt.Errorf("cannot start %s: %w", j.args[0], err)
	}
	return outcome{err: err, output: output.String(), took: time.Since(began)}
}

// tailBuffer keeps the beginning and the end of the text that is written to it.
type tailBuffer struct {
	mu   sync.Mutex
	head bytes.Buffer
	tail []byte
	cut  bool
}

const keptHead, keptTail = 48 << 10, 16 << 10

func (b *tailBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(p)
	if room := keptHead - b.head.Len(); room > 0 {
		taken := min(room, len(p))
		b.head.Write(p[:taken])
		p = p[taken:]
	}
	b.tail = append(b.tail, p...)
	if len(b.tail) > 2*keptTail {
		b.tail, b.cut = append([]byte(nil), b.tail[len(b.tail)-keptTail:]...), true
	}
	return n, nil
}

func (b *tailBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cut {
		return b.head.String() + "\n…\n" + string(b.tail)
	}
	return b.head.String() + string(b.tail)
}
