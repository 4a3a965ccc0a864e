package autoscale

import (
	"fmt"
	"math"
)

// High is the use above which workers are missing, where 1 is all that a worker can do.
const High = 0.8

// Other uses of a worker.
const (
	aim    = 0.7 // after a growth
	low    = 0.6 // up to it, fewer workers would carry the load
	slow   = 0.5 // of the timeout: the answers come too late
	scarce = 0.5 // of the time: processors are short, and more workers would not help
)

// quiet is the use of a worker that does nothing to speak of.
const quiet = 0.05

// idle says whether there is next to no load.
func (s Sample) idle() bool {
	return s.CPU <= quiet*float64(s.Workers) && s.Said <= quiet && s.Waiting == 0 && s.Dropped == 0
}

// perProcessor is how many workers a processor gets while processors are short.
const perProcessor = 2

// need is how many workers a signal asks for, and why.
type need struct {
	workers int
	reason  string
}

// missing returns the largest need of all signals, but at most twice the present number of workers.
func (b Bounds) missing(s Sample) (most need) {
	ask := func(workers int, format string, args ...any) {
		limit := min(2*s.Workers, b.Max)
		if s.Pressure >= scarce {
			limit = min(limit, max(s.Workers, int(math.Ceil(perProcessor*s.Processors))))
		}
		if workers = min(workers, limit); workers > max(most.workers, s.Workers) {
			most = need{workers, fmt.Sprintf(format, args...)}
		}
	}
	n := float64(s.Workers)
	switch {
	case s.Dropped > 0:
		ask(2*s.Workers, "clients turned away by the kernel: %d", s.Dropped)
	case s.Waiting > 0:
		ask(s.Workers+s.Waiting, "waiting connections: %d", s.Waiting)
	}
	if s.CPU > High*n {
		ask(atUse(s.CPU, aim), "processors that the workers use: %.1f", s.CPU)
	}
	if s.Said > High {
		ask(atUse(n*s.Said, aim), "load, as the workers say: %.2f", s.Said)
	}
	if s.Slowness >= slow {
		ask(s.Workers+1, "answers to the health check take %.0f%% of its timeout", 100*s.Slowness)
	}
	return most
}

// carrying is how many workers would carry the load without being busy. Where clients wait, all
// present ones are needed, also if there can be no more.
func (b Bounds) carrying(s Sample) int {
	n := max(atUse(s.CPU, low), atUse(float64(s.Workers)*s.Said, low))
	if s.Waiting > 0 || s.Dropped > 0 || s.Slowness >= slow {
		n = max(n, s.Workers)
	}
	return b.Fit(n)
}

// atUse is how many workers have this use when they do the work together.
func atUse(work, use float64) int {
	n := math.Ceil(work/use - 1e-9)
	return int(min(max(n, 0), 1<<20))
}

// looks keeps the needs of the last looks, because a single look may mislead.
type looks struct {
	seen   int
	needs  [3]need
	floors [3]int
	newest int // the need of the last look alone
}

// missing is the smallest need of the last looks; none before there were enough of them.
func (l *looks) missing(n need) need {
	l.needs[l.seen%len(l.needs)], l.newest = n, n.workers
	if l.seen < len(l.needs)-1 {
		return need{}
	}
	least := n
	for _, other := range l.needs {
		if other.workers < least.workers {
			least = other
		}
	}
	return least
}

// carrying is the smallest number of the last looks; 0 before there were enough of them. It is
// called after missing.
func (l *looks) carrying(n int) int {
	l.floors[l.seen%len(l.floors)] = n
	l.seen++
	if l.seen < len(l.floors) {
		return 0
	}
	return min(l.floors[0], l.floors[1], l.floors[2])
}
