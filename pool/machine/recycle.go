package machine

import (
	"fmt"
	"slices"
	"time"
)

// recycling is a request to replace a worker by a new one of its generation.
type recycling struct {
	worker *worker
	cause  Cause
	reason string
}

// wantRecycled queues a request. It ignores one that is queued already, or whose slot
// waits because a successor has failed; a user's request does not wait.
func (m *Machine) wantRecycled(w *worker, cause Cause, reason string) {
	if w == nil || w.state != Serving || m.phase == Halting {
		return
	}
	s := m.slotOf(w)
	if s == nil {
		return
	}
	wanted := slices.ContainsFunc(m.recycleQueue, func(r recycling) bool { return r.worker == w })
	waits := m.now.Before(s.again) && cause != CauseRequest
	if wanted || m.recycled(s) != nil || waits {
		return
	}
	m.recycleQueue = append(m.recycleQueue, recycling{w, cause, reason})
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
	m.recycleQueue = slices.DeleteFunc(m.recycleQueue, func(r recycling) bool { return m.slotOf(r.worker) == nil })
	if m.phase != Running || m.roll != nil {
		return
	}
	m.recycleOld()
	if m.recycling != nil || len(m.recycleQueue) == 0 {
		return
	}
	next := m.recycleQueue[0]
	m.recycleQueue = m.recycleQueue[1:]
	m.recycling = &next
	s := m.slotOf(next.worker)
	m.emit(Recycling{Worker: next.worker.id, Slot: s.index, Reason: next.reason})
	m.spawn(s, next.worker.generation, next.cause)
}

// recycleOld queues the workers whose lifetime is over.
func (m *Machine) recycleOld() {
	for _, s := range m.slots {
		if w := s.serving; w != nil && m.opts.MaxLifetime > 0 && !m.now.Before(w.end(m.opts)) {
			lived := m.now.Sub(w.served).Round(time.Second)
			m.wantRecycled(w, CauseLifetime, fmt.Sprintf("lived for %s, max_lifetime is %s", lived, m.opts.MaxLifetime))
		}
	}
}

// recycleFailed lets the worker keep serving after its successor has failed. The next try is
// not urgent, unlike a respawn.
func (m *Machine) recycleFailed(s *slot) {
	s.again = m.now.Add(max(s.backoff(m.now, 0, m.opts), m.opts.BackoffMin))
}

// interruptRecycle stops the recycling for a roll, which replaces the worker anyway. If
// the roll fails, the request is still queued.
func (m *Machine) interruptRecycle() {
	for _, s := range m.slots {
		if r := m.recycled(s); r != nil {
			m.recycleQueue = slices.Insert(m.recycleQueue, 0, *r)
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

// nextEnd returns when the next worker has lived long enough and may be recycled; the
// zero time if it has to wait for something else.
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
