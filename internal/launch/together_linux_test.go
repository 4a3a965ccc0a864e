package launch

import (
	"testing"

	"relevo/pool"
)

// TestLeavesTogether: the connections of an adopted worker that leaves are handed over when the last
// worker is adopted. Before that, no worker could take them.
func TestLeavesTogether(t *testing.T) {
	t.Parallel()
	l := &Launcher{}
	p := newProcess(&Release{launcher: l}, pool.Order{ID: "1"}, nil)
	if !isClosed(l.kept.together()) {
		t.Error("it waits although there are no other workers")
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
			t.Errorf("round %d: it waits although all are adopted", round)
		}
	}
}
