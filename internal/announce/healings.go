package announce

import (
	"sync"
	"time"

	"relevo/upgrader/listeners"
)

// Healings limits the reports about damaged listeners, so that a worker that damages them
// again and again does not flood events and log. After the first few of a kind it allows one
// report a second.
type Healings struct {
	mu   sync.Mutex
	seen map[string]*healing
}

// firstHealings is how many reports of a kind are made in any case.
const firstHealings = 5

type healing struct {
	credit float64 // how many may be told now
	last   time.Time
	untold int
}

// Due returns how many damages of a kind to report now, 0 for no report. A socket that was
// opened again is always reported, because its workers have to be replaced.
func (all *Healings) Due(h listeners.Healed, now time.Time) (times int) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.seen == nil {
		all.seen = map[string]*healing{}
	}
	key := h.Listener + " " + h.What
	one := all.seen[key]
	if one == nil {
		one = &healing{credit: firstHealings, last: now}
		all.seen[key] = one
	}
	one.credit = min(firstHealings, one.credit+now.Sub(one.last).Seconds())
	one.last = now
	one.untold++
	if one.credit < 1 && !h.Renewed {
		return 0
	}
	times, one.untold, one.credit = one.untold, 0, one.credit-1
	return times
}
