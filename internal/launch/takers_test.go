package launch

import (
	"testing"

	"relevo/internal/nodecluster"
	"relevo/pool"
)

// TestTakersAreSettled: nobody looks into a worker that is being started. The race detector
// sees it.
func TestTakersAreSettled(t *testing.T) {
	t.Parallel()
	p := newProcess(&Release{}, pool.Order{ID: "1"}, nil)
	l := &Launcher{byPID: map[int]*Process{1: p}}
	begun := make(chan struct{})
	go func() {
		defer close(begun)
		p.primary = nodecluster.New(nodecluster.Options{})
	}()
	if all := l.takers(0, nil); len(all) != 0 {
		t.Error("a worker that starts takes connections over")
	}
	<-begun
}
