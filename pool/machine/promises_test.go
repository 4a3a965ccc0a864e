package machine

import (
	"slices"
	"time"
)

// see notes one effect and checks what must hold at that moment.
func (w *world) see(e Effect) {
	switch e := e.(type) {
	case Spawn:
		w.seeSpawn(e)
	case Moved:
		w.seeMoved(e)
	case Drain:
		p := w.reach(e.Worker, "drain")
		if !p.hello || p.state != Draining || !e.Deadline.Equal(w.now.Add(w.patienceWith(p))) {
			w.failf("w%d (%s, hello %v) must not be asked to drain until %s", p.id, p.state, p.hello, since(e.Deadline))
		}
		p.asked, p.patience = true, e.Deadline
	case Terminate:
		w.seeTerminate(w.reach(e.Worker, "terminate"))
	case Kill:
		w.seeKill(w.reach(e.Worker, "kill"))
	case Abandoned:
		p := w.reach(e.Worker, "abandon")
		if p.state != Killing || w.now.Before(p.patience) {
			w.failf("w%d is abandoned too early", p.id)
		}
		p.abandoned = true
	case Respawning:
		// At the end of a boot, a respawn is reported with the rest of its wait.
		if e.After != 0 && (e.After < w.opts.BackoffMin && w.wasBooted || e.After > w.opts.BackoffMax) {
			w.failf("slot %d backs off for %s", e.Slot, e.After)
		}
	case Resized:
		if e.From != w.slots || e.To < 1 {
			w.failf("resized %d → %d, but it was %d", e.From, e.To, w.slots)
		}
		w.slots = e.To
		for slot := range w.stuck {
			if slot >= w.slots {
				delete(w.stuck, slot)
			}
		}
	case FellAsleep:
		if w.asleep || w.halting || w.roll != nil || len(w.open) > 0 || e.Workers != w.slots || len(w.served()) != w.slots {
			w.failf("falls asleep: %d of %d slots serve, roll %+v, open %v", len(w.served()), w.slots, w.roll, w.open)
		}
		w.asleep, w.slots = true, 0
	case Woke:
		if !w.asleep || w.halting || e.Workers < 1 {
			w.failf("wakes with %d workers, asleep: %v", e.Workers, w.asleep)
		}
		w.asleep, w.slots = false, e.Workers
	case Booted:
		if w.booted || e.OK != (len(w.served()) > 0) {
			w.failf("booted ok %v with %d slots served, or twice", e.OK, len(w.served()))
		}
		w.booted, w.halting = true, !e.OK
	case Ended:
		if len(w.in(Starting, Serving, Draining, Stopping, Killing)) > 0 || !w.halting {
			w.failf("ended with workers, or unasked")
		}
		w.ended = true
	case Admit:
		p := w.reach(e.Worker, "admit")
		if !p.trial || p.state != Serving || w.onProbation(p) {
			w.failf("w%d (%s, on trial: %v) is admitted: %+v", p.id, p.state, p.trial, w.roll)
		}
		p.trial = false
	case Recycling, Ping, Hangs:
		w.seeCare(e)
	default:
		w.seeRoll(e)
	}
}

// onProbation says whether a worker is the canary of a roll, on the probation that decides that
// roll.
func (w *world) onProbation(p *proc) bool {
	return w.roll != nil && !w.roll.passed && !w.roll.reverting && w.roll.canary == p.id
}

// checkTrials: a worker on trial is a canary on probation, or leaves with a roll that failed.
func (w *world) checkTrials() {
	for _, p := range w.in(Serving) {
		if p.trial && !w.onProbation(p) && !w.halting && (w.roll == nil || !w.roll.reverting) {
			w.failf("w%d is on trial forever: %+v", p.id, w.roll)
		}
	}
}

// reach returns the process that an effect names, which must be running.
func (w *world) reach(id int, effect string) *proc {
	p := w.procs[id]
	if p == nil || p.gone || p.abandoned {
		w.failf("%s names w%d, which does not run", effect, id)
		return &proc{}
	}
	return p
}

func (w *world) seeSpawn(e Spawn) {
	if e.Cause == "" {
		w.failf("worker %d is started for no cause", e.Worker)
	}
	if e.Worker <= w.spawned {
		w.failf("w%d is spawned twice", e.Worker)
	}
	if e.Slot < 0 || e.Slot >= w.slots || w.halting {
		w.failf("w%d is spawned in slot %d of %d, halting %v", e.Worker, e.Slot, w.slots, w.halting)
	}
	if !w.mayRun(e.Slot, e.Generation) {
		w.failf("w%d of gen %d is spawned; gen %d serves, roll %+v", e.Worker, e.Generation, w.generation, w.roll)
	}
	r := w.roll
	canary := r != nil && e.Generation == r.generation && !r.passed && !r.reverting
	if canary {
		r.canary = e.Worker
	}
	if e.Canary != canary {
		w.failf("w%d is spawned as a canary: %v, want %v", e.Worker, e.Canary, canary)
	}
	w.spawned = max(w.spawned, e.Worker)
	w.procs[e.Worker] = &proc{id: e.Worker, slot: e.Slot, generation: e.Generation, state: Empty, told: w.opts.Watchdog,
		trial: e.Canary}
}

// mayRun says whether the generation may be spawned in the slot.
func (w *world) mayRun(slot, generation int) bool {
	if generation == w.generation || generation == w.stuck[slot] {
		return true
	}
	r := w.roll
	switch {
	case r == nil:
		return false
	case r.reverting:
		return generation == r.failedBack[slot]
	case r.passed || generation != r.generation:
		return generation == r.generation
	}
	isCanary := func(p *proc) bool { return p.generation == generation && p.attached() && p.slot < w.slots }
	return !slices.ContainsFunc(w.in(Starting, Serving), isCanary) // at most one before it has passed
}

// servesIn returns the generation that serves in the slot, 0 if none does.
func (w *world) servesIn(slot int) int {
	for _, p := range w.in(Serving) {
		if p.slot == slot {
			return p.generation
		}
	}
	return 0
}

// ways are the arrows of the diagram in doc.go.
var ways = map[State][]State{
	Empty:    {Starting},
	Starting: {Serving, Stopping, Empty},
	Serving:  {Draining, Empty},
	Draining: {Stopping, Killing, Empty},
	Stopping: {Killing, Empty},
	Killing:  {Empty},
}

func (w *world) seeMoved(e Moved) {
	p := w.procs[e.Worker]
	if p == nil || p.abandoned || p.gone != (e.To == Empty) {
		w.failf("w%d moves to %s: unknown, gone or not gone", e.Worker, e.To)
		return
	}
	if p.state != e.From || p.slot != e.Slot || p.generation != e.Generation || !slices.Contains(ways[e.From], e.To) {
		w.failf("w%d moves %s → %s from %s", p.id, e.From, e.To, p.state)
	}
	if p.attached() && (e.To == Draining || e.To == Stopping) && !w.explained(p) {
		w.failf("w%d of gen %d (%s) is asked to leave without a cause: %s", p.id, p.generation, p.state, e.Reason)
	}
	if r := w.roll; r != nil && r.reverting && p.generation == r.from && p.state == Starting && e.To != Serving {
		if serves := w.servesIn(p.slot); serves != 0 || r.failedBack[p.slot] == 0 {
			r.failedBack[p.slot] = serves
		}
	}
	if p.state == Starting && e.To == Stopping && e.Reason == "not ready within "+w.opts.ReadyTimeout.String() {
		w.faults[p.generation]++
	}
	p.state, p.since = e.To, w.now
	if e.To == Serving {
		p.alive = w.now
	}
	if r := w.roll; r != nil && r.canary == p.id && e.To == Serving {
		r.probation = w.opts.Canary
	}
	if e.To == Starting {
		p.patience = w.now.Add(w.opts.ReadyTimeout)
	}
}

// explained says why a worker that starts or serves may be asked to leave. The roll is no reason
// before its canary has passed, and never one for the generation to which it goes back.
func (w *world) explained(p *proc) bool {
	if e, ok := w.event.(Leaving); ok && e.Worker == p.id {
		return true
	}
	if e, ok := w.event.(Unhealthy); ok && e.Worker == p.id && p.state == Starting {
		return true
	}
	if _, ok := w.event.(Tick); ok && p.state == Starting && !w.now.Before(p.patience) {
		return true
	}
	if w.halting || p.slot >= w.slots || p.generation == w.dropped || p.hung || w.recycled(p) || w.yielded(p) {
		return true
	}
	r := w.roll
	switch {
	case r == nil:
		return false
	case r.reverting:
		return p.generation != r.from
	}
	return r.passed
}

func (w *world) seeTerminate(p *proc) {
	switch {
	case p.killed:
		w.failf("w%d is terminated after its kill", p.id)
	case p.state == Draining && p.hello:
		w.failf("w%d takes messages and is drained by signal", p.id)
	case p.state == Stopping && p.asked && w.now.Before(p.patience) && !p.drained:
		w.failf("w%d is stopped before its drain deadline", p.id)
	}
	p.asked, p.patience = true, w.now.Add(w.opts.StopGrace)
	if p.state == Draining {
		p.patience = w.now.Add(w.patienceWith(p))
	}
}

func (w *world) seeKill(p *proc) {
	_, forced := w.event.(Force)
	if p.killed || p.state != Killing {
		w.failf("w%d is killed twice, or in state %s", p.id, p.state)
	}
	if !forced && (!p.asked || w.now.Before(p.patience)) {
		w.failf("w%d is killed without patience (asked: %v, until %s)", p.id, p.asked, since(p.patience))
	}
	p.killed, p.patience = true, w.now.Add(w.opts.KillTimeout)
}

// checkSlots compares the world's own notes with View, and counts the workers in each slot.
func (w *world) checkSlots() {
	v := w.m.View()
	starting, serving, rows := map[int]int{}, map[int]int{}, 0
	generations := w.m.Generations()
	for _, generation := range append([]int{v.Generation, v.Rolling, v.Pending, v.Fallback}, v.Spares...) {
		if generation != 0 && !generations[generation] {
			w.failf("generation %d of the view is none that may run: %v", generation, generations)
		}
	}
	for _, row := range v.Rows {
		if row.Generation != 0 && !generations[row.Generation] {
			w.failf("generation %d of slot %d is none that may run: %v", row.Generation, row.Slot, generations)
		}
		if row.Worker == 0 {
			if row.State == Empty && (v.Phase == Running || v.Phase == Booting && len(w.served()) > 0) {
				w.failf("slot %d is empty and waits for nothing", row.Slot)
			}
			continue
		}
		rows++
		p := w.known(row.Worker)
		if p.state != row.State || p.slot != row.Slot || p.generation != row.Generation || p.abandoned {
			w.failf("the view shows %+v, the effects told %+v", row, *p)
		}
		if p.attached() && row.Slot >= v.Slots {
			w.failf("w%d is %s in slot %d of %d", row.Worker, row.State, row.Slot, v.Slots)
		}
		switch {
		case row.State == Starting, row.State == Serving && w.onProbation(p):
			starting[row.Slot]++
		case row.State == Serving:
			serving[row.Slot]++
		}
		if starting[row.Slot] > 1 || serving[row.Slot] > 1 {
			w.failf("too many workers in slot %d", row.Slot)
		}
	}
	if running := w.in(Starting, Serving, Draining, Stopping, Killing); len(running) != rows {
		w.failf("%d workers run, the view shows %d", len(running), rows)
	}
	if v.Slots != w.slots || v.Generation != w.generation || !w.sameRolls(v) {
		w.failf("the view shows %+v, the effects told slots %d, gen %d, roll %+v", v, w.slots, w.generation, w.roll)
	}
}

// sameRolls says whether the view shows all rolls that have not ended.
func (w *world) sameRolls(v View) bool {
	rolling, open := 0, 0
	if w.roll != nil {
		rolling = w.roll.generation
	}
	for _, generation := range []int{v.Rolling, v.Pending} {
		if generation != 0 && !w.isOpen(generation) {
			return false
		}
		if generation != 0 {
			open++
		}
	}
	return v.Rolling == rolling && open == len(w.open)
}

// served returns the slots in which at least one worker serves.
func (w *world) served() map[int]bool {
	slots := map[int]bool{}
	for _, p := range w.in(Serving) {
		if p.slot < w.slots {
			slots[p.slot] = true
		}
	}
	return slots
}

// checkFloor checks the promise "never fewer ready workers than before": only the death or the
// leaving of a serving worker costs one, and only in its own slot.
func (w *world) checkFloor(before map[int]bool, victim proc) {
	after := w.served()
	for slot := range before {
		itsOwn := slot == victim.slot && victim.state == Serving || w.hungSlots[slot]
		if !after[slot] && !itsOwn && !w.halting && slot < w.slots {
			w.failf("slot %d was served before %T and is not after it", slot, w.event)
		}
	}
}

// victim returns a copy of the process whose end the event reports.
func (w *world) victim(e Event) proc {
	switch e := e.(type) {
	case Exited:
		return *w.known(e.Worker)
	case Leaving:
		return *w.known(e.Worker)
	}
	return proc{}
}

// checkNext: the machine wants to be woken exactly as long as something is due, and a Tick at that
// moment must change something.
func (w *world) checkNext(due time.Time) {
	next := w.m.Next()
	if _, ok := w.event.(Tick); ok && !next.IsZero() && !next.After(w.now) {
		w.failf("busy: after a Tick at %s the next one is due at %s (before: %s)", since(w.now), since(next), since(due))
	}
	if next.IsZero() != w.quiet() {
		w.failf("quiet is %v, next wake-up %s", w.quiet(), since(next))
	}
}

func (w *world) quiet() bool {
	if w.m.phase == Idle || w.ended {
		return true
	}
	busy := len(w.in(Starting, Draining, Stopping, Killing)) > 0 || len(w.open) > 0 && !w.asleep
	return w.m.phase == Running && !busy && len(w.served()) == w.slots && !w.watches()
}

// checkWhole: every slot serves, no worker starts or leaves, and all have the same generation.
func (w *world) checkWhole(when string) {
	if w.err != nil {
		return
	}
	if !w.quiet() || w.m.phase != Running || len(w.in(Serving)) != w.slots {
		w.failf("%s the pool is not whole: %+v", when, w.m.View())
	}
	for _, p := range w.in(Serving) {
		if p.generation != w.generation && p.generation != w.stuck[p.slot] {
			w.failf("%s w%d serves gen %d, the pool gen %d", when, p.id, p.generation, w.generation)
		}
	}
}
