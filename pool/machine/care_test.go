package machine

import "time"

// seeCare follows the effects of recycling and of the watchdog.
func (w *world) seeCare(e Effect) {
	switch e := e.(type) {
	case Recycling:
		p := w.reach(e.Worker, "recycling")
		if w.recycling != 0 && w.recycles() != nil {
			w.failf("w%d is recycled beside w%d", e.Worker, w.recycling)
		}
		if p.state != Serving || p.slot != e.Slot || w.roll != nil || w.halting || e.Reason == "" {
			w.failf("w%d (%s) must not be recycled: %+v", p.id, p.state, w.roll)
		}
		w.recycling = e.Worker
	case Ping:
		if p := w.reach(e.Worker, "ping"); !p.pong || p.state != Serving || w.opts.Watchdog == 0 {
			w.failf("w%d (%s) is pinged", p.id, p.state)
		}
	case Hangs:
		p := w.reach(e.Worker, "hangs")
		event, told := w.event.(Hung)
		if told = told && event.Worker == p.id; !told && !w.silent(p) || !p.attached() {
			w.failf("w%d (%s) does not hang: silent since %s", p.id, p.state, since(p.alive))
		}
		p.hung = true
		w.faults[p.generation]++
		if p.state == Serving {
			w.hungSlots[p.slot] = true
		}
	}
}

func (w *world) supervised(p *proc) bool {
	return p.state == Serving && w.opts.Watchdog > 0 && (p.pong || p.spoke && p.told > 0)
}

func (w *world) silent(p *proc) bool {
	return w.supervised(p) && !w.now.Before(p.alive.Add(w.opts.Watchdog))
}

// watches says whether the clock alone will change something in a pool where every slot serves.
func (w *world) watches() bool {
	for _, p := range w.in(Serving) {
		if w.opts.MaxLifetime > 0 || w.supervised(p) {
			return true
		}
	}
	return w.m.View().Fallback != 0
}

// patienceWith returns how long a worker may drain.
func (w *world) patienceWith(p *proc) time.Duration {
	if p.hung {
		return w.opts.StopGrace
	}
	return w.opts.DrainTimeout
}

// recycles returns the successor that starts beside the worker being recycled.
func (w *world) recycles() *proc {
	old := w.procs[w.recycling]
	if old == nil || old.state != Serving {
		return nil
	}
	for _, p := range w.in(Starting) {
		if p.slot == old.slot {
			return p
		}
	}
	return nil
}

// recycled says whether p may leave because its successor has replaced it, or because it is that
// successor and a roll begins.
func (w *world) recycled(p *proc) bool {
	if w.recycles() == p {
		return true
	}
	if w.recycling != p.id || w.roll != nil {
		return false
	}
	for _, other := range w.in(Serving) {
		if other.slot == p.slot && other.id > p.id && other.generation == p.generation {
			return true
		}
	}
	return false
}

// yielded says whether p is a canary that gives way because no worker serves.
func (w *world) yielded(p *proc) bool {
	r := w.roll
	if r == nil || r.passed || r.reverting || r.yielded || r.canary != p.id || len(w.served()) > 0 {
		return false
	}
	r.yielded = true
	return true
}

// seeStorm notes a way back that begins without a roll in progress.
func (w *world) seeStorm(e RollReverting) {
	if e.Generation != w.generation || e.To >= e.Generation || w.faults[e.Generation] < stormSize(w.slots) || w.halting {
		w.failf("gen %d is fled from without a storm: %d faults", e.Generation, w.faults[e.Generation])
	}
	w.open[e.Generation] = nil
	w.generation = e.To
	w.roll = &rollBook{generation: e.Generation, from: e.To, passed: true, failedBack: map[int]int{}}
}
