package dev

import (
	"testing"
	"time"
)

// TestLoops: a file that changes in every cycle is named and held back, longer each time. A file
// that changes between cycles, or once, is not suspected.
func TestLoops(t *testing.T) {
	var l loops
	now := time.Now()
	step := func(during bool, paths ...string) string {
		now = now.Add(time.Second)
		return l.began(paths, during, now)
	}
	for i := range loopAfter - 1 {
		if found := step(true, "gen.go"); found != "" {
			t.Fatalf("found %s after %d times", found, i+1)
		}
	}
	if found := step(true, "gen.go", "main.go"); found != "gen.go" {
		t.Fatalf("found %q", found)
	}
	if left := l.wait([]string{"gen.go"}, now); left != firstHold {
		t.Errorf("it waits %s, want %s", left, firstHold)
	}
	if left := l.wait([]string{"gen.go", "main.go"}, now); left != 0 {
		t.Errorf("another file that changed waits %s with it", left)
	}
	for hold := 2 * firstHold; hold <= 2*maxHold; hold *= 2 {
		now = now.Add(maxHold)
		if found := l.began([]string{"gen.go"}, true, now); found != "gen.go" {
			t.Fatalf("found %q", found)
		}
		if left := l.wait([]string{"gen.go"}, now); left != min(hold, maxHold) {
			t.Errorf("it waits %s, want %s", left, min(hold, maxHold))
		}
	}
	step(true, "main.go")
	if left := l.wait([]string{"gen.go"}, now); left == 0 {
		t.Error("another file takes the suspicion away")
	}
	step(false, "main.go")
	if left := l.wait([]string{"gen.go"}, now); left != 0 {
		t.Errorf("after a change between cycles it waits %s", left)
	}
}

// TestLoopsByHand: many saves in quick succession, each after the previous cycle, are no loop.
func TestLoopsByHand(t *testing.T) {
	var l loops
	for i := range 100 {
		if found := l.began([]string{"main.go"}, i%loopAfter != 0, time.Now()); found != "" {
			t.Fatalf("found %s at save %d", found, i)
		}
	}
}
