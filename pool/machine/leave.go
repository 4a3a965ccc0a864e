package machine

import "time"

// leave makes a worker leave: a serving one drains, a starting one stops.
func (m *Machine) leave(w *worker, reason string) {
	m.detach(w)
	switch w.state {
	case Starting:
		m.terminate(w, reason)
	case Serving:
		m.drain(w, reason, m.opts.DrainTimeout)
	}
}

// detach takes the worker out of its slot: its death will not be replaced any more.
func (m *Machine) detach(w *worker) {
	for _, s := range m.slots {
		if s.serving == w {
			s.serving = nil
		}
		if s.starting == w {
			s.starting = nil
		}
	}
}

func (m *Machine) drain(w *worker, reason string, patience time.Duration) {
	m.move(w, Draining, reason)
	w.due = m.now.Add(patience)
	if w.hello {
		w.asked = true
		m.emit(Drain{Worker: w.id, Deadline: w.due})
		return
	}
	m.emit(Terminate{Worker: w.id})
}

func (m *Machine) terminate(w *worker, reason string) {
	m.move(w, Stopping, reason)
	w.due = m.now.Add(m.opts.StopGrace)
	m.emit(Terminate{Worker: w.id})
}

func (m *Machine) kill(w *worker, reason string) {
	m.move(w, Killing, reason)
	w.due = m.now.Add(m.opts.KillTimeout)
	m.emit(Kill{Worker: w.id})
}

// timedOut acts on a worker that has been in its state for too long.
func (m *Machine) timedOut(w *worker) {
	switch w.state {
	case Starting:
		why := failure{w.id, "not ready within " + m.opts.ReadyTimeout.String(), BlameProgram}
		if w.unseen != "" {
			why.reason, why.blame = "not seen to be ready within "+m.opts.ReadyTimeout.String()+": "+w.unseen, BlameMaster
		}
		s := m.slotOf(w)
		m.terminate(w, why.reason)
		m.startFailed(s, w, why)
	case Draining:
		if w.hung {
			m.kill(w, "hung")
			return
		}
		if w.asked {
			m.terminate(w, "drain timeout")
			return
		}
		m.kill(w, "drain timeout")
	case Stopping:
		m.kill(w, "ignored the stop signal")
	case Killing:
		m.emit(Abandoned{Worker: w.id, Slot: w.slot})
		delete(m.workers, w.id)
	}
}

// leaving handles a worker that says that it drains. If it was not asked to (it got a
// signal from outside, or limits its own lifetime), its slot gets a new worker at once,
// while the old one finishes.
func (m *Machine) leaving(w *worker) {
	if w == nil || w.state != Serving {
		return
	}
	s := m.slotOf(w)
	m.detach(w)
	m.move(w, Draining, "leaves by itself")
	w.due = m.now.Add(m.opts.DrainTimeout)
	w.asked = true
	if m.roll.holds(s) && s.starting == nil {
		m.failRoll(s.index, failure{w.id, "left by itself on probation", BlameProgram})
		return
	}
	m.scheduleRespawn(s, "left by itself", m.now.Sub(w.served))
}

// drained gives a worker that has finished its connections only the stop grace to exit.
func (m *Machine) drained(w *worker) {
	if w == nil || w.state != Draining {
		return
	}
	w.asked = true
	w.due = earlier(w.due, m.now.Add(m.opts.StopGrace))
}

func (m *Machine) halt(reason string) {
	if m.phase == Halting {
		return
	}
	m.abortRoll(reason)
	m.phase, m.window, m.recycleQueue, m.recycling, m.fallBack = Halting, nil, nil, nil, time.Time{}
	for _, id := range m.ids() {
		m.leave(m.workers[id], reason)
	}
}

func (m *Machine) force() {
	m.halt("forced")
	for _, id := range m.ids() {
		if w := m.workers[id]; w.state != Killing {
			m.kill(w, "forced")
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
