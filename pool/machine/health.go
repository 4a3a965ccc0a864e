package machine

// unhealthy handles a worker that fails its health check: a starting worker has failed to
// start, a canary fails its roll, and any other serving worker is recycled.
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
		m.wantRecycled(w, CauseHealth, reason)
	}
}
