package machine

import "time"

// interval returns how long the worker may be silent; 0 means without limit. A worker
// that gives signs of life by itself knows the interval of its spawn from its
// environment. For a worker that is pinged a new interval applies at once.
func (w *worker) interval(o Options) time.Duration {
	switch {
	case w.state != Serving || o.Watchdog == 0:
		return 0
	case w.pong:
		return o.Watchdog
	case w.spoke && w.told > 0:
		return max(o.Watchdog, w.told)
	}
	return 0
}

// lived records a sign of life.
func (w *worker) lived(now time.Time) { w.alive, w.pinged = now, now }

// nextWatch returns when the worker is to be looked at, the zero time for never.
func (w *worker) nextWatch(o Options) time.Time {
	interval := w.interval(o)
	switch {
	case interval == 0:
		return time.Time{}
	case w.pong:
		return earlier(w.alive.Add(interval), w.pinged.Add(interval/3))
	}
	return w.alive.Add(interval)
}

// watch pings a worker, or finds that it hangs.
func (m *Machine) watch(w *worker) {
	next := w.nextWatch(m.opts)
	if next.IsZero() || m.now.Before(next) {
		return
	}
	interval := w.interval(m.opts)
	switch late := m.now.Sub(w.alive.Add(interval)); {
	case late > interval/3:
		// The master itself was suspended: what the worker said meanwhile is still unread.
		w.lived(m.now.Add(-interval * 2 / 3))
	case late >= 0:
		m.hung(w, "no sign of life for "+interval.String())
		return
	}
	if w.pong {
		w.pinged = m.now
		m.emit(Ping{Worker: w.id})
	}
}

// hung takes a worker that hangs out of its slot. It gets only the stop grace to leave,
// because it will hardly finish what it has accepted.
func (m *Machine) hung(w *worker, reason string) {
	if w == nil || (w.state != Starting && w.state != Serving) {
		return
	}
	reason = "hung: " + reason
	s := m.slotOf(w)
	m.emit(Hangs{Worker: w.id, Slot: w.slot, Reason: reason})
	if w.state == Starting {
		m.terminate(w, reason)
		m.startFailed(s, w, failure{w.id, reason, BlameProgram})
		return
	}
	m.detach(w)
	m.drain(w, reason, m.opts.StopGrace)
	w.asked, w.hung = false, true
	if m.roll.holds(s) && m.roll.canaryIs(w) {
		m.failRoll(s.index, failure{w.id, reason + ", on probation", BlameProgram})
		return
	}
	m.fault(s, w, reason)
	m.scheduleRespawn(s, reason, m.now.Sub(w.served))
	s.cause = CauseWatchdog
}
