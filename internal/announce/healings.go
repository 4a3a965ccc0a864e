package announce

import (
	"sync"
	"time"

	"relevo/upgrader"
)

// Healings bounds what is told of damaged listeners, so that a worker that does
// damage without end does not flood events and log: after the first few of a kind
// it is one a second.
type Healings struct {
	mu   sync.Mutex
	seen map[string]*healing
}

// firstHealings are told in any case.
const firstHealings = 5

type healing struct {
	credit float64 // how many may be told now
	last   time.Time
	untold int
}

// Due says how many damages of that kind are to be told of now, 0 for none. A
// socket that was opened anew is always told of, for its workers have to go.
func (all *Healings) Due(h upgrader.Healed, now time.Time) (times int) {
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
