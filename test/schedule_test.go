package test

import (
	"slices"
	"testing"
)

// TestRollByTheClock: the next minute replaces all workers, and the minute after it does so in
// another master.
func TestRollByTheClock(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newSite(t, "-n", "2", "--schedule", "* * * * *", "--canary", "10ms")
	for range 2 {
		before := s.settled(2)
		generation := s.status().Generation
		// The workers may have been started in this very minute: then the next one replaces them.
		for range 2 {
			if await(func() bool { return s.status().Generation > generation }) {
				break
			}
		}
		for _, pid := range s.settled(2) {
			if slices.Contains(before, pid) {
				t.Errorf("worker %d has stayed", pid)
			}
		}
		s.upgrade()
	}
	s.stop()
}
