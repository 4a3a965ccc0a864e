package autoscale

import (
	"fmt"
	"time"
)

// Bounds of the number of workers.
type Bounds struct{ Min, Max int }

// Fit returns the number within the bounds that is nearest to n.
func (b Bounds) Fit(n int) int { return min(max(n, b.Min), b.Max) }

// Sample is what a look at the workers shows.
type Sample struct {
	Workers int  // wanted at present: the slots
	Serving int  // workers that serve
	Held    bool // a roll is under way, or a worker is on probation

	CPU      float64 // processors that all workers together have used since the last look
	Said     float64 // mean of the loads that the workers report; 1: they can do no more
	Waiting  int     // connections that no worker has accepted
	Dropped  int     // connections that the kernel has turned away since the last look
	Slowness float64 // of answers to the health check, the median of the workers; 1: the timeout

	Pressure   float64 // share of the time in which workers waited for a processor; 0 if unknown
	Processors float64 // that the workers may use
}

// Decision is what follows from a Sample.
type Decision struct {
	Workers int           // wanted from now on
	Reason  string        // of a change; empty: there is none
	Next    time.Duration // until the next look
	Quiet   bool          // there is almost no load: the next look can wait for a client
}

// Pauses between two looks.
const (
	Pause   = time.Second            // as long as nothing is to be done
	Confirm = 250 * time.Millisecond // as long as workers seem to be missing
)

const (
	settle     = time.Second      // from the moment when all workers serve to the next growth
	patience   = 10 * time.Second // for new workers that do not serve, before more follow
	below      = time.Minute      // for which fewer workers were needed, before one leaves
	remembered = 10 * time.Minute // in which what was needed is a lower bound
)

// Decider decides for one pool. It is not safe for concurrent use.
type Decider struct {
	bounds Bounds
	last   looks
	grown  time.Time // when the number was increased last
	rest   time.Time // no growth before
	fewer  time.Time // since when fewer workers were needed; zero: they were not
	needed history
}

// New returns a decider that has seen no load yet, so it takes the present workers as needed. Those
// of them that start, for example because a client has woken the app, are waited for as after a growth.
func New(b Bounds, now time.Time, workers int) *Decider {
	d := &Decider{bounds: b, grown: now}
	d.needed.note(now, b.Fit(workers))
	return d
}

// Bounds returns those given to New.
func (d *Decider) Bounds() Bounds { return d.bounds }

// Decide takes a look into account, and says how many workers are wanted.
func (d *Decider) Decide(now time.Time, s Sample) Decision {
	stay := Decision{Workers: s.Workers, Next: Pause}
	if s.Held {
		d.last, d.fewer, d.rest = looks{}, time.Time{}, now.Add(settle)
		return stay
	}
	if s.Serving < s.Workers && now.Before(d.grown.Add(patience)) {
		d.rest = now.Add(settle)
	}
	if fit := d.bounds.Fit(s.Workers); fit != s.Workers {
		return d.change(now, s, need{fit, fmt.Sprintf("workers = \"%d..%d\"", d.bounds.Min, d.bounds.Max)})
	}
	missing := d.bounds.missing(s)
	if confirmed := d.last.missing(missing); s.Dropped == 0 {
		missing = confirmed
	}
	carrying := d.last.carrying(d.bounds.carrying(s))
	if missing.workers > s.Workers {
		if now.Before(d.rest) {
			return stay
		}
		d.needed.note(now, missing.workers)
		return d.change(now, s, missing)
	}
	stay.Quiet = s.idle()
	if d.last.newest > s.Workers { // a single look may mislead: it is followed by others soon
		stay.Next = Confirm
		d.needed.note(now, carrying)
		return stay
	}
	return d.shrink(now, s, carrying, stay)
}

// shrink decides whether one worker may leave, where carrying workers would carry the load.
func (d *Decider) shrink(now time.Time, s Sample, carrying int, stay Decision) Decision {
	d.needed.note(now, carrying)
	switch {
	case carrying >= s.Workers:
		d.fewer = time.Time{}
	case d.fewer.IsZero():
		d.fewer = now
	case now.Sub(d.fewer) >= below && d.needed.most(now) < s.Workers:
		return d.change(now, s, need{s.Workers - 1, fmt.Sprintf("the last %d minutes needed at most %d",
			remembered/time.Minute, d.needed.most(now))})
	}
	return stay
}

func (d *Decider) change(now time.Time, s Sample, to need) Decision {
	d.last, d.fewer = looks{}, now
	if to.workers > s.Workers {
		d.grown, d.rest, d.fewer = now, now.Add(settle), time.Time{}
	}
	return Decision{Workers: to.workers, Reason: to.reason, Next: Pause}
}

// Within bounds a decision by the number of further workers that there is memory for.
func (d Decision) Within(workers, room int) Decision {
	if d.Workers <= workers+room || d.Workers <= workers {
		return d
	}
	d.Workers = workers + max(room, 0)
	if d.Workers == workers {
		d.Reason = ""
	}
	return d
}
