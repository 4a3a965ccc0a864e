package prove

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// gaps finds the longest time without any answer, over all clients of a run, from the first answer
// on. Times are offsets from the start of the run.
type gaps struct {
	last atomic.Int64 // the latest answer; 0 before the first

	longest atomic.Int64 // written under mu

	mu sync.Mutex
	at time.Duration // when the longest began
}

// answer records an answer. Clients may call it out of order: an answer older than the latest one
// changes nothing.
func (g *gaps) answer(at time.Duration) {
	now := max(int64(at), 1)
	for {
		last := g.last.Load()
		if now <= last {
			return
		}
		if g.last.CompareAndSwap(last, now) {
			g.gap(last, now)
			return
		}
	}
}

// end closes the open gap when the load ends, so that an app that never answers again has a long
// gap. Later answers are ignored.
func (g *gaps) end(at time.Duration) { g.gap(g.last.Swap(math.MaxInt64), int64(at)) }

func (g *gaps) gap(from, to int64) {
	if from == 0 || to-from <= g.longest.Load() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if to-from > g.longest.Load() {
		g.longest.Store(to - from)
		g.at = time.Duration(from)
	}
}
