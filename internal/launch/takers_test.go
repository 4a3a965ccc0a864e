package launch

import (
	"testing"

	"relevo/internal/nodecluster"
	"relevo/pool"
)

// TestTakersAreSettled: workers that are being started are not looked at. The race detector checks
// it.
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
		t.Error("a starting worker takes over connections")
	}
	<-begun
}
