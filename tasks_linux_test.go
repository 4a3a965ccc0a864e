package main

import (
	"fmt"
	"os"
	"testing"

	"relevo/internal/threads"
)

// TestMasterNeedsNoNewThreads: at the limit of tasks the Go runtime ends a program
// that needs one thread more, so the master has all of its threads from its start.
func TestMasterNeedsNoNewThreads(t *testing.T) {
	s := newSite(t, "-n", "2", "--canary", "0")
	s.settled(2)
	before := threadsOf(t, s.master.Process.Pid)
	if before < threads.Enough {
		t.Errorf("the master has %d threads, want %d at least", before, threads.Enough)
	}
	for _, words := range [][]string{{"scale", "site", "24"}, {"reload", "--force", "site"}, {"scale", "site", "2"}} {
		if code, said := s.relevo(words...); code != 0 {
			t.Fatalf("%q exits %d: %s", words, code, said)
		}
	}
	s.settled(2)
	if after := threadsOf(t, s.master.Process.Pid); after > before {
		t.Errorf("the master had %d threads and has %d: it would have died at the limit of tasks", before, after)
	}
}

func threadsOf(t *testing.T, pid int) int {
	t.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(tasks)
}
