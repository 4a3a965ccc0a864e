package launch

import (
	"testing"

	"relevo/pool"
)

// TestLeavesTogether: a worker that is adopted and leaves is led out when the last one is
// adopted, or else it would find nobody to give its connections to.
func TestLeavesTogether(t *testing.T) {
	t.Parallel()
	l := &Launcher{}
	p := newProcess(&Release{launcher: l}, pool.Order{ID: "1"}, nil)
	if !isClosed(l.kept.together()) {
		t.Error("without others it waits")
	}
	for round := range 2 {
		l.kept.await(1)
		l.kept.await(2)
		all := l.kept.together()
		l.adopted(1, p.sink)
		if isClosed(all) {
			t.Errorf("round %d: it does not wait for the second", round)
		}
		l.adopted(2, p.sink)
		if !isClosed(all) || !isClosed(l.kept.together()) {
			t.Errorf("round %d: it waits for nobody", round)
		}
	}
}
