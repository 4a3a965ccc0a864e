package background

import (
	"sync"
	"time"

	"relevo/internal/decide"
)

// Retry asks again for what was refused, each time after a longer wait.
type Retry struct {
	mu    sync.Mutex
	timer *time.Timer // nil: nothing waits
	wait  time.Duration
	over  bool
}

// Later has do called after a while, in the place of what was to be called.
func (r *Retry) Later(do func()) (wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return 0
	}
	if r.timer != nil {
		r.timer.Stop()
	}
	r.wait = decide.NextWait(r.wait)
	r.timer = time.AfterFunc(r.wait, do)
	return r.wait
}

// Stop has nothing called any more; the next wait is longer all the same.
func (r *Retry) Stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.timer != nil {
		r.timer.Stop()
	}
	r.timer = nil
}

// Cancel has nothing called any more; the next wait is a short one.
func (r *Retry) Cancel() {
	r.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wait = 0
}

// End is Cancel for good.
func (r *Retry) End() {
	r.Cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
}
