package machine

// seeRoll notes the effects that report the course of a roll.
func (w *world) seeRoll(e Effect) {
	switch e := e.(type) {
	case RollBegan:
		if w.roll != nil || e.From != w.generation || !w.isOpen(e.Generation) || w.halting {
			w.failf("roll %d → %d began beside %+v", e.From, e.Generation, w.roll)
		}
		w.roll = &rollBook{generation: e.Generation, from: e.From, failedBack: map[int]int{}}
	case CanaryPassed:
		r, p := w.inRoll(e.Generation), w.reach(e.Worker, "canary passed")
		_, promoted := w.event.(Promote)
		early := w.now.Before(p.since.Add(r.probation)) && !promoted
		if r.passed || r.reverting || p.state != Serving || p.id != r.canary || early {
			w.failf("w%d cannot have passed: %+v, roll %+v", e.Worker, *p, *r)
		}
		r.passed, w.faults[e.Generation] = true, 0
	case OnProbation:
		r, p := w.inRoll(e.Generation), w.reach(e.Worker, "on probation")
		if r.passed || r.reverting || p.id != r.canary || p.slot != e.Slot || p.state != Serving ||
			!e.Until.Equal(w.now.Add(w.opts.Canary)) {
			w.failf("w%d is on probation until %s: %+v, roll %+v", e.Worker, since(e.Until), *p, *r)
		}
	case RollStep:
		w.seeRollStep(e)
	case RollReverting:
		if w.roll == nil {
			w.seeStorm(e)
		}
		r := w.inRoll(e.Generation)
		if r.reverting || e.To != r.from {
			w.failf("gen %d reverts to %d: %+v", e.Generation, e.To, *r)
		}
		r.reverting, w.dropped = true, e.Generation
		clear(w.stuck) // these slots get another try
	case RollSuperseded:
		w.close(e.Generation)
		if r := w.roll; r != nil && r.generation == e.Generation {
			if r.passed || r.reverting {
				w.failf("roll %+v is too far gone to be superseded", *r)
			}
			w.roll, w.dropped = nil, e.Generation
		}
	case RollEnded:
		w.seeRollEnded(e)
	default:
		w.failf("the model does not know %T", e)
	}
}

func (w *world) seeRollStep(e RollStep) {
	r, p := w.inRoll(e.Generation), w.reach(e.Worker, "roll step")
	want := r.generation
	if r.reverting {
		want = r.from
	}
	if !r.passed && !r.reverting || e.Reverting != r.reverting || e.Done < 1 || e.Done > e.Of {
		w.failf("step %+v of roll %+v", e, *r)
	}
	if p.state != Serving || p.slot != e.Slot || p.generation != want {
		w.failf("step %+v by %+v", e, *p)
	}
	delete(w.stuck, e.Slot)
}

// seeRollEnded compares the result with what the slots run.
func (w *world) seeRollEnded(e RollEnded) {
	w.close(e.Generation)
	if e.Result == Aborted {
		if !w.halting {
			w.failf("roll to gen %d is aborted without a halt", e.Generation)
		}
		if w.roll != nil && w.roll.generation == e.Generation {
			w.roll = nil
		}
		return
	}
	r := w.inRoll(e.Generation)
	want := OK
	switch {
	case r.reverting && len(e.Stuck) > 0:
		want = Failed
	case r.reverting:
		want = RolledBack
	}
	if e.Result != want || (want == OK && !r.passed) || (want != OK && e.Reason == "") {
		w.failf("roll ended %+v, should be %s: %+v", e, want, *r)
	}
	for _, slot := range e.Stuck {
		w.stuck[slot] = r.failedBack[slot]
	}
	if want == OK {
		w.generation = e.Generation
		clear(w.stuck)
	}
	w.roll = nil
	for _, p := range w.in(Starting, Serving) {
		if p.generation != w.generation && p.generation != w.stuck[p.slot] {
			w.failf("roll to gen %d ended %s and w%d runs gen %d", e.Generation, e.Result, p.id, p.generation)
		}
	}
}

// inRoll returns the roll in progress, which must be the roll of this generation.
func (w *world) inRoll(generation int) *rollBook {
	if w.roll == nil || w.roll.generation != generation {
		w.failf("there is no roll to gen %d: %+v", generation, w.roll)
		return &rollBook{failedBack: map[int]int{}}
	}
	return w.roll
}

func (w *world) isOpen(generation int) bool {
	_, open := w.open[generation]
	return open
}

// close notes that a roll ended, which must happen once for each roll.
func (w *world) close(generation int) {
	if !w.isOpen(generation) {
		w.failf("the roll to gen %d ends twice, or was never asked for", generation)
	}
	delete(w.open, generation)
}
