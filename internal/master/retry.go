package master

import (
	"fmt"
	"sync"
	"time"

	"relevo/internal/announce"
	"relevo/internal/decide"
)

// retry asks again for what was refused, each time after a longer wait.
type retry struct {
	mu    sync.Mutex
	timer *time.Timer // nil: nothing waits
	wait  time.Duration
	over  bool
}

// later has do called after a while, in the place of what was to be called.
func (r *retry) later(do func()) (wait time.Duration) {
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

// stop has nothing called any more; the next wait is longer all the same.
func (r *retry) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.timer != nil {
		r.timer.Stop()
	}
	r.timer = nil
}

// cancel has nothing called any more; the next wait is a short one.
func (r *retry) cancel() {
	r.stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wait = 0
}

// end is cancel for good.
func (r *retry) end() {
	r.cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
}

// tryLater keeps a roll that the watch asked for and that was refused in mind: the
// reason, such as a full disk, may pass without any change of the file.
func (m *Master) tryLater(err error) {
	wait := m.retry.later(func() { m.requestRoll("what was refused is tried again") })
	announce.Refused(m.log, "roll refused: the running workers serve on", "err", err, "again", wait)
	m.announcer.Warnings.Set(announce.WatchWarning, fmt.Sprintf("what changed is not rolled to: %v; tried again at %s",
		err, time.Now().Add(wait).Format(time.TimeOnly)))
}
