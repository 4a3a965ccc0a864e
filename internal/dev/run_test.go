package dev

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const tooLong = 30 * time.Second

// TestRunCancelled: cancelling a job ends its whole process group, even if it ignores SIGTERM.
func TestRunCancelled(t *testing.T) {
	for name, script := range map[string]string{
		"children":                  `sleep 300 & sleep 300 & echo $! >pid; wait`,
		"a child that ignores TERM": `(trap "" TERM INT; while :; do sleep 300; done) & echo $! >pid; wait`,
		"all ignore TERM":           `trap "" TERM INT; (while :; do sleep 300; done) & echo $! >pid; while :; do wait; done`,
		"the leader has left":       `(trap "" TERM; sleep 300) & echo $! >pid; exec sleep 300`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan outcome)
			go func() { done <- job{args: []string{"/bin/sh", "-c", script}, dir: dir, end: syscall.SIGTERM}.run(ctx) }()
			child := awaitPID(t, filepath.Join(dir, "pid"))
			cancel()
			select {
			case r := <-done:
				if r.err == nil {
					t.Error("a job that was cancelled ended well")
				}
			case <-time.After(tooLong):
				t.Fatal("the job does not end")
			}
			giveUp := time.Now().Add(tooLong)
			for alive(child) {
				if time.Now().After(giveUp) {
					t.Fatalf("the child %d lives on", child)
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
}

func awaitPID(t *testing.T, path string) int {
	t.Helper()
	giveUp := time.Now().Add(tooLong)
	for {
		if text, err := os.ReadFile(path); err == nil && strings.HasSuffix(string(text), "\n") {
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
		if time.Now().After(giveUp) {
			t.Fatal("no pid")
		}
		time.Sleep(time.Millisecond)
	}
}

// alive says whether a process exists and is no zombie.
func alive(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(after, "Z")
}

// TestRunOutput: both streams are kept, of very long output the beginning and the end, and a child
// that holds the output open delays nothing.
func TestRunOutput(t *testing.T) {
	dir := t.TempDir()
	run := func(script string) outcome {
		return job{args: []string{"/bin/sh", "-c", script}, dir: dir, end: syscall.SIGTERM}.run(t.Context())
	}
	if r := run(`echo out; echo err >&2; exit 3`); r.err == nil || r.output != "out\nerr\n" {
		t.Errorf("%v %q", r.err, r.output)
	}
	r := run(`echo first; i=0; while [ $i -lt 20000 ]; do echo "line $i of many"; i=$((i+1)); done; echo last`)
	if !strings.HasPrefix(r.output, "first\n") || !strings.HasSuffix(r.output, "last\n") || len(r.output) > 200<<10 {
		t.Errorf("%d bytes: %.20q", len(r.output), r.output)
	}
	r = run(`sleep 300 & echo $! >pid; echo done`)
	if r.err != nil || r.output != "done\n" || r.took > tooLong {
		t.Errorf("%v %q %s", r.err, r.output, r.took)
	}
	syscall.Kill(awaitPID(t, filepath.Join(dir, "pid")), syscall.SIGKILL)
	if r := (job{args: []string{"/no/such/program"}, end: syscall.SIGTERM}).run(t.Context()); r.err == nil ||
		!strings.HasPrefix(r.err.Error(), "cannot start") {
		t.Errorf("%v", r.err)
	}
}
