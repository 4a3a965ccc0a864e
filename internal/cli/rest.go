package cli

import (
	"sync"
	"time"
)

const (
	// startTime is longer than most starts take, also while a hundred masters start.
	startTime = 10 * time.Second
	// settleTime is how long a master is busy after it has begun to serve: it stores copies of
	// programs, and writes its files.
	settleTime = 500 * time.Millisecond
	// worthCollecting is what a master allocates before it collects garbage at rest: a roll does, and
	// 50 answers to relevo list. With less, a master that does little would get larger, see startGC.
	worthCollecting = 512 << 10
)

// rest gives a master's memory back after its start, and later when there is garbage and a pause. A
// master at rest allocates nothing, so without rest the garbage of a roll would stay until the next.
type rest struct {
	allocated func() uint64 // bytes since the process began
	giveBack  func()
	timer     *time.Timer

	mu    sync.Mutex
	waits bool   // for the timer
	last  uint64 // bytes allocated up to the last collection
}

// newRest gives memory back when served was called, or when a start should be over.
func newRest(allocated func() uint64, giveBack func()) *rest {
	r := &rest{allocated: allocated, giveBack: giveBack, waits: true}
	r.timer = time.AfterFunc(startTime, r.collect)
	return r
}

// served ends the start.
func (r *rest) served() { r.timer.Reset(settleTime) }

// worked plans a collection if there is enough garbage.
func (r *rest) worked() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.waits && r.allocated()-r.last >= worthCollecting {
		r.waits = true
		r.timer.Reset(settleTime)
	}
}

func (r *rest) collect() {
	r.giveBack()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waits, r.last = false, r.allocated()
}
