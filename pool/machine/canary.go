package machine

import (
	"slices"
	"time"
)

func (r *roll) canaryIs(w *worker) bool { return r != nil && !r.passed && r.canary == w.id }

// canaryReady says whether the slot's new worker is the canary, and is on probation.
func (r *roll) canaryReady(s *slot) bool {
	return s.starting != nil && r.canaryIs(s.starting) && s.starting.state == Serving
}

// mayTake says whether the roll may take the slot from its queue. Until the canary has
// passed, the roll waits for a respawn that is starting, because only the old generation
// is known to serve.
func (r *roll) mayTake(s *slot) bool {
	return r.passed || r.reverting || s.starting == nil
}

// promoteCanary ends the probation of a canary that is on one.
func (m *Machine) promoteCanary() {
	if m.roll != nil && !m.roll.probation.IsZero() {
		m.canaryPassed()
	}
}

// admit ends a worker's trial, before the old worker beside it leaves.
func (m *Machine) admit(w *worker) {
	if w.trial {
		w.trial = false
		m.emit(Admit{Worker: w.id})
	}
}

// admitSettled admits canaries that are the only worker of their slots. While a roll
// reverts, such canaries are about to be replaced.
func (m *Machine) admitSettled() {
	if m.roll != nil && m.roll.reverting {
		return
	}
	for _, s := range m.slots {
		if s.serving != nil {
			m.admit(s.serving)
		}
	}
}

func (m *Machine) canaryPassed() {
	r := m.roll
	r.passed, r.probation = true, time.Time{}
	m.openCrashWindow(r)
	for _, s := range r.held {
		if s.starting != nil && s.starting.id == r.canary {
			m.emit(CanaryPassed{Generation: r.generation, Slot: s.index, Worker: r.canary})
			m.promote(s)
			return
		}
	}
}

// yields says whether the canary that starts in the slot has to give way to a respawn of
// the old generation: the old worker beside it has just died, no worker serves, and only
// the old generation is known to serve. This happens once in a roll, and not if respawns
// of the old program have to wait: a program that keeps crashing could never be replaced
// otherwise.
func (m *Machine) yields(s *slot) bool {
	r := m.roll
	return r.holds(s) && !r.reverting && r.canaryIs(s.starting) && s.starting.state == Starting &&
		!r.yielded && !m.serves()
}

// yield puts the slot back into the roll's queue and respawns its old worker at once, so
// that the roll does not take the slot before it serves again or has failed.
func (m *Machine) yield(s *slot, reason string, wait time.Duration) {
	if wait > 0 {
		return
	}
	m.giveWay(s, "gives way to the old generation, of which no worker serves")
	m.tellRespawn(s, reason, 0)
	m.spawn(s, s.generation, CauseRespawn)
}

// giveWay ends the canary that starts in a slot. The roll takes the slot again later.
func (m *Machine) giveWay(s *slot, reason string) {
	r := m.roll
	r.yielded, r.canary, r.held = true, 0, nil
	r.queue = slices.Insert(r.queue, 0, s)
	m.leave(s.starting, reason)
}
