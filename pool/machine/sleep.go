package machine

import (
	"slices"
	"time"
)

// sleep drains all workers, so that there are none until Wake. It does so only where the
// generation serves well in all slots, and nothing else is under way: what wakes later has to
// be as sound as what fell asleep.
func (m *Machine) sleep(reason string) {
	if !m.maySleep() {
		return
	}
	m.asleep, m.recycleQueue = m.now, nil
	m.emit(FellAsleep{Workers: len(m.slots), Reason: reason})
	gone := m.slots
	m.slots = nil
	for _, s := range gone {
		m.leave(s.serving, "asleep")
	}
}

func (m *Machine) maySleep() bool {
	if m.phase != Running || m.sleeps() || m.roll != nil || m.pending != 0 || !m.sound() {
		return false
	}
	for _, s := range m.slots {
		if s.serving == nil || s.starting != nil || s.generation != m.generation || s.spare != 0 {
			return false
		}
	}
	return true
}

// sleeps says whether there are no slots until Wake.
func (m *Machine) sleeps() bool { return !m.asleep.IsZero() }

// wake fills slots again. If a roll was requested meanwhile it begins at once, with a canary in
// the first slot. If that fails, the generation that fell asleep serves, which was sound.
func (m *Machine) wake(workers int, reason string) {
	if !m.sleeps() || m.phase != Running || workers < 1 {
		return
	}
	m.asleep = time.Time{}
	m.emit(Woke{Workers: workers, Reason: reason})
	m.addSlots(workers)
	if m.pending != 0 {
		m.beginRoll()
		m.roll.sound = true
		m.fallBack = m.now.Add(max(patience*m.startTook, shortPatience))
	}
}

// A canary that is not ready after patience times as long as the last start took gives way to the
// old generation, because the client that woke the pool waits, or one may have come since another
// wake. The new generation may do more at its start, hence the factor.
const (
	patience      = 3
	shortPatience = time.Second
)

// answerWaiting has the canary of a wake give way if it is late. It is tried again beside the old
// worker when that serves.
func (m *Machine) answerWaiting() {
	if m.fallBack.IsZero() || m.now.Before(m.fallBack) {
		return
	}
	m.fallBack = time.Time{}
	other := func(s *slot) bool { return s.starting != nil && !m.roll.canaryIs(s.starting) }
	if slices.ContainsFunc(m.slots, other) {
		return
	}
	for _, s := range m.slots {
		if s.starting != nil && m.yields(s) {
			m.giveWay(s, "a client may wait, and it is not ready yet: gives way to the old generation")
			m.spawn(s, s.generation, CauseRespawn)
			return
		}
	}
}
