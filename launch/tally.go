package launch

import (
	"sync"

	"relevo/pool"
)

// tally counts what becomes of the connections of a worker that is led out. The zero value
// works.
type tally struct {
	mu      sync.Mutex
	begun   bool
	seen    map[uint64]bool // by inode
	left    map[uint64]bool // at the last look, those of relays left out: whether it was idle
	rescued int
}

// look takes in the connections that the worker has now, and whether each is idle.
func (t *tally) look(idle map[uint64]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		t.seen = map[uint64]bool{}
	}
	t.begun, t.left = true, idle
	for inode := range idle {
		t.seen[inode] = true
	}
}

// rescue counts connections that a relay has been given: look sees them no more.
func (t *tally) rescue(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rescued += n
}

// result is nil for a worker that was not led out. What was left at the last look has
// ended with the worker.
func (t *tally) result() *pool.Connections {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.begun {
		return nil
	}
	c := pool.Connections{Finished: max(0, len(t.seen)-len(t.left)-t.rescued), Rescued: t.rescued}
	for _, isIdle := range t.left {
		if isIdle {
			c.CutFor(pool.CutIdle, 1)
		} else {
			c.CutFor(pool.CutInUse, 1)
		}
	}
	return &c
}
