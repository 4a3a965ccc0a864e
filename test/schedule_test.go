package test

import (
	"slices"
	"testing"

	"relevo/internal/testport"
)

// TestRollByTheClock: at the next minute all workers are replaced, and at the minute after it again,
// by another master.
func TestRollByTheClock(t *testing.T) {
	takesLong(t)
	t.Parallel()
	address := testport.Address(t)
	s := newSite(t, "-n", "2", "--metrics", address, "--schedule", "* * * * *", "--canary", "10ms")
	for range 2 {
		before := s.settled(2)
		generation := s.status().Generation
		// The workers may have been started in this very minute. Then the next minute replaces them.
		for range 2 {
			if await(func() bool { return s.status().Generation > generation }) {
				break
			}
		}
		for _, pid := range s.settled(2) {
			if slices.Contains(before, pid) {
				t.Errorf("worker %d was not replaced", pid)
			}
		}
		s.upgrade()
	}
	var counts map[string]float64
	if !await(func() (ok bool) { counts, ok = s.metrics(address); return ok }) {
		t.Fatal("the metrics are not served")
	}
	if n := counts["relevo_worker_starts_total reason=cron"]; n < 4 {
		t.Errorf("%v workers were started by the clock, want 4 at least", n)
	}
	s.stop()
}
