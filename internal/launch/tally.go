package launch

import (
	"maps"
	"slices"
	"sync"

	"relevo/pool"
)

// tally counts how the connections of a leaving worker end: finished, given to others, or
// cut. The zero value works.
type tally struct {
	mu      sync.Mutex
	seen    map[uint64]bool // by inode
	left    map[uint64]bool // at the last look, without those of relays; the value: it was idle
	rescued map[uint64]bool
	handed  map[uint64]bool // to another worker
}

// look records the connections that the worker has now, and whether each is idle.
func (t *tally) look(idle map[uint64]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		t.seen, t.rescued, t.handed = map[uint64]bool{}, map[uint64]bool{}, map[uint64]bool{}
	}
	t.left = idle
	for inode := range idle {
		t.seen[inode] = true
	}
}

// rescue counts connections that a relay has got: look does not see them any more.
func (t *tally) rescue(inodes []uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, inode := range inodes {
		if t.seen[inode] {
			t.rescued[inode] = true
		}
	}
}

// handOver counts connections that another worker is about to get.
func (t *tally) handOver(inodes []uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, inode := range inodes {
		if t.seen[inode] {
			t.handed[inode] = true
		}
	}
}

// keep undoes handOver for connections that the worker still has.
func (t *tally) keep(inodes []uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, inode := range inodes {
		delete(t.handed, inode)
	}
}

// given returns the connections that relays or other workers have.
func (t *tally) given() []uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.AppendSeq(slices.Collect(maps.Keys(t.rescued)), maps.Keys(t.handed))
}

// result returns the counts, nil for a worker that was not led out. Connections that were
// left at the last look have ended with the worker.
func (t *tally) result() *pool.Connections {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		return nil
	}
	c := pool.Connections{Rescued: len(t.rescued), HandedOver: len(t.handed)}
	for inode := range t.seen {
		isIdle, left := t.left[inode]
		switch {
		case t.rescued[inode], t.handed[inode]:
		case !left:
			c.Finished++
		case isIdle:
			c.CutFor(pool.CutIdle, 1)
		default:
			c.CutFor(pool.CutInUse, 1)
		}
	}
	return &c
}

// tallyLegacy is a tally in JSON, for the next master: lists of inodes.
type tallyLegacy struct {
	Seen    []uint64 `json:"seen"`
	Rescued []uint64 `json:"rescued,omitempty"`
	Handed  []uint64 `json:"handed,omitempty"`
}

func (t *tally) legacy() *tallyLegacy {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		return nil
	}
	return &tallyLegacy{slices.Collect(maps.Keys(t.seen)), slices.Collect(maps.Keys(t.rescued)),
		slices.Collect(maps.Keys(t.handed))}
}

func (t *tally) restore(l *tallyLegacy) {
	if l != nil {
		known := map[uint64]bool{}
		for _, inode := range l.Seen {
			known[inode] = true
		}
		t.look(known)
		t.rescue(l.Rescued)
		t.handOver(l.Handed)
	}
}
