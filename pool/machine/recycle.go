package machine

import (
	"fmt"
	"slices"
	"time"
)

// recycling is the wish to replace a worker by a new one of its generation.
type recycling struct {
	worker *worker
	reason string
}

// wantRecycled queues the wish. It is dropped where it stands already, and while
// the slot waits after a successor that failed.
func (m *Machine) wantRecycled(w *worker, reason string) {
	if w == nil || w.state != Serving || m.phase == Halting {
		return
	}
	s := m.slotOf(w)
	wanted := slices.ContainsFunc(m.worn, func(r recycling) bool { return r.worker == w })
	if s == nil || wanted || m.recycled(s) != nil || m.now.Before(s.again) {
		return
	}
	m.worn = append(m.worn, recycling{w, reason})
}

// recycled returns the recycling whose successor starts in the slot, if any. It
// is over when one of the two workers has left the slot.
func (m *Machine) recycled(s *slot) *recycling {
	r := m.recycling
	if r == nil || s.serving != r.worker || s.starting == nil || m.roll != nil {
		return nil
	}
	return r
}

// advanceRecycle begins the next recycling, one at a time and none during a roll.
func (m *Machine) advanceRecycle() {
	if m.recycling != nil && !slices.ContainsFunc(m.slots, func(s *slot) bool { return m.recycled(s) != nil }) {
		m.recycling = nil
	}
	m.worn = slices.DeleteFunc(m.worn, func(r recycling) bool { return m.slotOf(r.worker) == nil })
	if m.phase != Running || m.roll != nil {
		return
	}
	for _, s := range m.slots {
		if w := s.serving; w != nil && m.opts.MaxLifetime > 0 && !m.now.Before(w.end(m.opts)) {
			lived := m.now.Sub(w.served).Round(time.Second)
			m.wantRecycled(w, fmt.Sprintf("lived for %s, max_lifetime is %s", lived, m.opts.MaxLifetime))
		}
	}
	if m.recycling != nil || len(m.worn) == 0 {
		return
	}
	next := m.worn[0]
	m.worn = m.worn[1:]
	m.recycling = &next
	s := m.slotOf(next.worker)
	m.emit(Recycling{Worker: next.worker.id, Slot: s.index, Reason: next.reason})
	m.spawn(s, next.worker.generation)
}

// recycleFailed lets the worker serve on after its successor has failed. Unlike a
// respawn the next try has time.
func (m *Machine) recycleFailed(s *slot) {
	s.again = m.now.Add(max(s.backoff(m.now, 0, m.opts), m.opts.BackoffMin))
}

// interruptRecycle makes room for a roll, which replaces the worker anyway unless
// it fails.
func (m *Machine) interruptRecycle() {
	for _, s := range m.slots {
		if r := m.recycled(s); r != nil {
			m.worn = slices.Insert(m.worn, 0, *r)
			m.leave(s.starting, "superseded")
		}
	}
	m.recycling = nil
}

// end returns when the worker has lived long enough.
func (w *worker) end(o Options) time.Time {
	u := jitter(w.served, w.id)
	return w.served.Add(time.Duration(float64(o.MaxLifetime) * (1 + o.LifetimeJitter*(2*u-1))))
}

// nextEnd returns when the next worker has lived long enough and may be recycled,
// the zero time where that waits for something else.
func (m *Machine) nextEnd() (next time.Time) {
	if m.opts.MaxLifetime == 0 || m.phase != Running || m.roll != nil || m.recycling != nil {
		return next
	}
	for _, s := range m.slots {
		if s.serving == nil {
			continue
		}
		end := s.serving.end(m.opts)
		if end.Before(s.again) {
			end = s.again
		}
		if next.IsZero() || end.Before(next) {
			next = end
		}
	}
	return next
}
