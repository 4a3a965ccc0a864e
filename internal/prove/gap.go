package prove

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// gaps finds the longest time without any answer, over all clients of a run.
// It starts with the first answer. Times are offsets from the start of the run.
type gaps struct {
	last atomic.Int64 // the latest answer; 0 before the first

	longest atomic.Int64 // written under mu

	mu sync.Mutex
	at time.Duration // when the longest began
}

// answer notes an answer. Two clients may call it out of order, so an answer
// that is older than the latest one changes nothing.
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

// end closes the gap that is open when the load ends, since an app that stopped
// answering for good must show it, and takes no note of later answers.
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
