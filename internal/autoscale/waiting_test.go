package autoscale_test

import (
	"testing"
	"time"

	"relevo/internal/autoscale"
)

// TestSingleLooks: a connection that waits at one look in twenty, as under any load, keeps no worker.
func TestSingleLooks(t *testing.T) {
	s := newStage(autoscale.Bounds{Min: 1, Max: 8}, 3)
	for look := 0; s.now.Sub(s.began) < 20*time.Minute; look++ {
		sample := autoscale.Sample{CPU: 0.1}
		if look%20 == 0 {
			sample.Waiting = 1
		}
		s.look(sample)
	}
	if s.workers != 1 {
		t.Errorf("%d workers stay", s.workers)
	}
}

// TestWaitingAtMost: no worker leaves where clients wait, although there can be no more and the workers
// use no processor.
func TestWaitingAtMost(t *testing.T) {
	s := newStage(autoscale.Bounds{Min: 1, Max: 4}, 4)
	for s.now.Sub(s.began) < time.Hour {
		if s.look(autoscale.Sample{Waiting: 5}); s.workers != 4 {
			t.Fatalf("%d workers after %s", s.workers, s.now.Sub(s.began))
		}
	}
}
