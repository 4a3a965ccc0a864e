package master

import (
	"errors"
	"testing"

	"relevo/pool"
)

// TestBetweenStarts: between a failed start and the next one the master says that it waits, and can
// be stopped. A pool that has ended for good is reported as such.
func TestBetweenStarts(t *testing.T) {
	m := beginner(t)
	m.stage.use(pool.Ended())
	if status, err := m.Status(); err != nil || status.State != stateWaiting {
		t.Errorf("between two starts the state is %q, %v", status.State, err)
	}
	if err := m.Stop(false); err != nil {
		t.Errorf("between two starts a stop is refused: %v", err)
	}
	if _, err := m.Status(); !errors.Is(err, pool.ErrNotRunning) {
		t.Errorf("after the stop the answer is %v", err)
	}
}
