package machine

import (
	"cmp"
	"slices"
	"time"
)

func (m *Machine) addSlots(upTo int) {
	cause := CauseScale
	if m.phase == Booting {
		cause = CauseFirst
	}
	for i := len(m.slots); i < upTo; i++ {
		m.slots = append(m.slots, &slot{index: i, generation: m.generation, cause: cause})
	}
}

// vacant says whether the slot is to be respawned when its wait is over: it has no
// worker, and no roll holds it, because a roll fills its slots itself. While booting, a
// slot whose worker failed waits until another slot shows that the generation can serve
// at all. A halting pool fills no slot.
func (m *Machine) vacant(s *slot) bool {
	if s.serving != nil || s.starting != nil || m.roll.holds(s) {
		return false
	}
	return m.phase == Running || m.phase == Booting && (!s.tried || m.serves())
}

func (m *Machine) serves() bool {
	return slices.ContainsFunc(m.slots, func(s *slot) bool { return s.serving != nil })
}

// respawn fills the slots whose wait is over.
func (m *Machine) respawn() {
	for _, s := range m.slots {
		if !m.vacant(s) {
			continue
		}
		if s.untold != "" {
			m.tellRespawn(s, s.untold, max(s.retry.Sub(m.now), 0))
		}
		if !m.now.Before(s.retry) {
			m.spawn(s, s.generation, s.cause)
		}
	}
}

func (m *Machine) tellRespawn(s *slot, reason string, after time.Duration) {
	s.untold = ""
	m.emit(Respawning{Slot: s.index, Reason: reason, After: after, Retries: int(s.deaths)})
}

// run sets the generation of the slot's respawns. The deaths of another generation do not
// count for it.
func (s *slot) run(generation int) {
	if s.generation != generation {
		s.generation, s.deaths, s.retry = generation, 0, time.Time{}
	}
}

// settleOn sets the generation of the slot's respawns to that of its newest worker. A
// slot that is stuck on a failed generation still tries the pool's generation first, with
// the failed one as its spare; a worker of any other generation ends that.
func (m *Machine) settleOn(s *slot) {
	now := s.serving.generation
	if s.spare != 0 && now != m.generation && (now == s.spare || now == s.generation) {
		s.generation, s.spare = m.generation, now
		return
	}
	s.spare = 0
	s.run(now)
}

// alternate makes the next respawn try the slot's other generation. The deaths still
// count.
func (s *slot) alternate() {
	if s.spare != 0 && s.serving == nil {
		s.generation, s.spare = s.spare, s.generation
	}
}

// ready makes a starting worker the one that serves its slot.
func (m *Machine) ready(w *worker) {
	if w == nil || w.state != Starting {
		return
	}
	s := m.slotOf(w)
	m.move(w, Serving, "")
	w.served, m.startTook, m.fallBack = m.now, m.now.Sub(w.began), time.Time{}
	w.lived(m.now)
	s.tried, s.retry = true, time.Time{}
	if m.roll.canaryIs(w) {
		m.roll.probation = m.now.Add(m.opts.Canary)
		if m.opts.Canary == 0 {
			m.canaryPassed()
			return
		}
		m.emit(OnProbation{Generation: w.generation, Slot: s.index, Worker: w.id, Until: m.roll.probation})
		return
	}
	m.promote(s)
}

// promote makes the slot's ready worker the serving one and asks the old one to leave.
func (m *Machine) promote(s *slot) {
	old, reason := s.serving, "replaced"
	if r := m.recycled(s); r != nil {
		reason = r.reason
	}
	s.serving, s.starting = s.starting, nil
	m.admit(s.serving)
	m.settleOn(s)
	if old != nil {
		m.leave(old, reason)
	}
	m.rollPromoted(s)
}

// exited removes a worker and decides what its death means.
func (m *Machine) exited(w *worker, e Exited) {
	if w == nil {
		return
	}
	reason, s := e.Reason, m.slotOf(w)
	wasStarting := w.state == Starting
	m.move(w, Empty, reason)
	delete(m.workers, w.id)
	if s == nil {
		return // it was leaving: it is not replaced
	}
	if wasStarting {
		m.startFailed(s, w, failure{w.id, reason, e.Blame})
		return
	}
	// It had been ready: in the slot it either served or stood on probation.
	if s.starting == w {
		s.starting = nil
		m.failRoll(s.index, failure{w.id, "died on probation: " + reason, e.Blame})
		return
	}
	s.serving = nil
	if m.roll.canaryReady(s) {
		// The canary serves already, so the slot needs no respawn.
		return
	}
	if e.Blame == BlameProgram {
		m.fault(s, w, reason)
	}
	served := m.now.Sub(w.served)
	if e.Signalled {
		served *= time.Duration(forgiven / forgivenAsked)
	}
	m.scheduleRespawn(s, reason, served)
}

// startFailed handles a worker that died or gave up before it was ready. The
// worker is no longer in its slot afterwards.
func (m *Machine) startFailed(s *slot, w *worker, why failure) {
	recycled := m.recycled(s) != nil
	s.starting = nil
	s.tried, m.failed = true, why
	if m.roll.holds(s) {
		m.failRoll(s.index, why)
		return
	}
	if recycled {
		m.recycleFailed(s)
	}
	s.alternate()
	if why.blame == BlameProgram {
		m.fault(s, w, why.reason)
	}
	m.scheduleRespawn(s, why.reason, 0)
}

// scheduleRespawn counts a death against the slot and sets the wait before its respawn.
func (m *Machine) scheduleRespawn(s *slot, reason string, served time.Duration) {
	if s.serving != nil || (s.starting != nil && !m.yields(s)) {
		return
	}
	wait := s.backoff(m.now, served, m.opts)
	s.retry, s.cause = m.now.Add(wait), CauseRespawn
	switch {
	case s.starting != nil:
		m.yield(s, reason, wait)
	case m.vacant(s):
		m.tellRespawn(s, reason, wait)
	case m.phase == Booting:
		s.untold = reason
	}
}

// resize adds slots at the end or takes the last ones away. It wakes a pool that sleeps.
func (m *Machine) resize(e Resize) {
	n := e.Workers
	if m.sleeps() {
		m.wake(n, cmp.Or(e.Reason, "a number of workers was asked for"))
		return
	}
	if n < 1 || (m.phase != Running && m.phase != Booting) || n == len(m.slots) {
		return
	}
	m.emit(Resized{From: len(m.slots), To: n, Reason: e.Reason})
	if n > len(m.slots) {
		before := len(m.slots)
		m.addSlots(n)
		m.roll.enqueue(m.slots[before:])
		return
	}
	gone := m.slots[n:]
	m.slots = m.slots[:n]
	for _, s := range gone {
		m.roll.forget(s)
		if s.starting != nil {
			m.leave(s.starting, "scaled down")
		}
		if s.serving != nil {
			m.leave(s.serving, "scaled down")
		}
	}
}
