package announce

import (
	"time"

	"relevo/pool"
)

// lostEvents adds up the losses of a second, so that a worker that floods the
// events does not flood the log as well.
type lostEvents struct {
	count int
	told  time.Time
}

func (l *lostEvents) due(e *pool.Event) bool {
	l.count += e.Count
	if e.Time.Sub(l.told) < time.Second {
		return false
	}
	e.Count, l.count, l.told = l.count, 0, e.Time
	return true
}
