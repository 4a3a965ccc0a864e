package launch

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestGate: no more goroutines make blocking calls at the same time than the master has threads for.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 3
		g := newGate(most)
		var now, highest atomic.Int64
		var all sync.WaitGroup
		for range 10 * most {
			all.Go(func() {
				g.through(func() {
					highest.Store(max(highest.Load(), now.Add(1)))
					time.Sleep(time.Second)
					now.Add(-1)
				})
			})
		}
		all.Wait()
		if highest.Load() != most {
			t.Errorf("%d calls were made at the same time, want %d", highest.Load(), most)
		}
	})
}
