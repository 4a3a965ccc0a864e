package watch

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// tooLong bounds every wait of these tests; nothing takes that long.
const tooLong = 30 * time.Second

// helperEnv holds the path that a child of these tests watches; see helper.
const helperEnv = "WATCH_TEST_HELPER"

func TestMain(m *testing.M) {
	if path := os.Getenv(helperEnv); path != "" {
		helper(path)
		return
	}
	// These tests wait for time far more than for a CPU.
	flag.Parse()
	flag.Set("test.parallel", "16")
	goleak.VerifyTestMain(m)
}

// helper watches path until its stdin ends, at the latest when the test's process does. It
// prints one line of JSON on stdout for each Change, and the log on stderr.
func helper(path string) {
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if strings.HasSuffix(path, "/**") {
		treeHelper(ctx, path, log)
		return
	}
	w, err := New(Options{Path: path, Log: log})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	w.checked = func(check) { fmt.Fprintln(os.Stderr, "checked") }
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	for {
		select {
		case c := <-w.Changes():
			json.NewEncoder(os.Stdout).Encode(c)
		case <-done:
			return
		}
	}
}

// treeHelper is helper for a Tree.
func treeHelper(ctx context.Context, pattern string, log *slog.Logger) {
	t, err := NewTree(TreeOptions{Set: Set{Globs: []string{pattern}}, Debounce: 10 * time.Millisecond, Log: log})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	done := make(chan struct{})
	go func() { defer close(done); t.Run(ctx) }()
	for {
		select {
		case b := <-t.Changes():
			for _, path := range b.Paths {
				json.NewEncoder(os.Stdout).Encode(Change{Path: path})
			}
		case <-done:
			return
		}
	}
}
