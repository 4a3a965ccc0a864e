package machine

// unhealthy ends the start of a worker that answers badly, fails the roll of a canary, and
// has a successor take the place of any other that serves.
func (m *Machine) unhealthy(w *worker, reason string) {
	if w == nil {
		return
	}
	s := m.slotOf(w)
	switch {
	case w.state == Starting:
		m.terminate(w, reason)
		m.startFailed(s, w, failure{w.id, reason, BlameProgram})
	case w.state == Serving && m.roll.holds(s) && m.roll.canaryIs(w):
		m.failRoll(s.index, failure{w.id, reason + ", on probation", BlameProgram})
	default:
		m.wantRecycled(w, reason)
	}
}
