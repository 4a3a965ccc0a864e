package machine

import (
	"cmp"
	"slices"
	"time"
)

// roll is the replacement of all workers in progress. Its methods that ask a
// question may be called on nil: there is no roll then.
type roll struct {
	generation int // the new generation
	cause      Cause
	from       int // the old one
	queue      []*slot
	held       []*slot   // slots in which a worker of the roll starts
	canary     int       // the first worker, on probation until passed
	probation  time.Time // when the probation of the canary ends; zero while the canary starts
	passed     bool
	reverting  bool // it failed; the slots of held and queue now go back to the old generation
	done, of   int  // numbers of slots, in the current direction
	failure    RollEnded
	sound      bool // the old generation served well when the roll began, so a crash storm may go back to it
	window     *crashWindow
	yielded    bool // the canary has given way once
}

func (r *roll) holds(s *slot) bool { return r != nil && slices.Contains(r.held, s) }

func (r *roll) enqueue(slots []*slot) {
	if r != nil && !r.reverting {
		r.queue = append(r.queue, slots...)
		r.of += len(slots)
	}
}

// forget drops a removed slot. If it was the canary's, the next slot gets the canary.
func (r *roll) forget(s *slot) {
	if r == nil {
		return
	}
	if s.starting != nil && r.canaryIs(s.starting) {
		r.canary, r.probation = 0, time.Time{}
	}
	before := len(r.queue) + len(r.held)
	is := func(other *slot) bool { return other == s }
	r.queue = slices.DeleteFunc(r.queue, is)
	r.held = slices.DeleteFunc(r.held, is)
	r.of -= before - len(r.queue) - len(r.held)
}

// requestRoll starts a roll, or queues it behind the one in progress. At most one roll
// waits: the newest. A roll whose canary has not passed has replaced nothing yet, and is
// superseded at once.
func (m *Machine) requestRoll(generation int, cause Cause) {
	if m.phase == Halting {
		m.emit(RollEnded{Generation: generation, Result: Aborted, Reason: "the pool stops"})
		return
	}
	if m.pending != 0 {
		m.emit(RollSuperseded{Generation: m.pending, By: generation})
	}
	m.pending, m.pendingCause = generation, cmp.Or(cause, CauseRoll)
	if r := m.roll; r != nil && !r.passed && !r.reverting {
		m.emit(RollSuperseded{Generation: r.generation, By: generation})
		m.roll = nil
		m.giveBackHeld(r, "superseded")
	}
}

// giveBackHeld gives the slots back to the old generation. A ready canary whose old worker
// has died stays: the slot has no other worker.
func (m *Machine) giveBackHeld(r *roll, reason string) {
	for _, s := range r.held {
		switch {
		case s.starting == nil:
		case s.serving == nil && s.starting.state == Serving:
			s.serving, s.starting = s.starting, nil
		default:
			m.leave(s.starting, reason)
		}
	}
	r.held = nil
}

// advanceRoll begins the roll that waits, takes the next slots while there is room, and
// ends a roll that has nothing left to do.
func (m *Machine) advanceRoll() {
	if m.roll == nil && m.pending != 0 && m.phase == Running && !m.sleeps() {
		m.beginRoll()
	}
	m.undoRoll()
	r := m.roll
	if r == nil {
		return
	}
	for len(r.held) < r.room(m.opts.Surge) {
		i := slices.IndexFunc(r.queue, r.mayTake)
		if i < 0 {
			break
		}
		s := r.queue[i]
		r.queue = slices.Delete(r.queue, i, i+1)
		m.takeSlot(r, s)
	}
	if len(r.queue)+len(r.held) == 0 {
		m.endRoll(r)
		m.advanceRoll() // the one that waits
	}
}

func (m *Machine) beginRoll() {
	m.interruptRecycle()
	m.roll = &roll{
		generation: m.pending, cause: m.pendingCause, from: m.generation, sound: m.sound(),
		queue: slices.Clone(m.slots), of: len(m.slots),
	}
	m.pending = 0
	m.emit(RollBegan{From: m.generation, Generation: m.roll.generation})
}

func (r *roll) room(surge int) int {
	if !r.passed && !r.reverting {
		return 1
	}
	return surge
}

func (m *Machine) takeSlot(r *roll, s *slot) {
	r.held = append(r.held, s)
	if r.reverting {
		m.putBack(r, s)
		return
	}
	if s.starting != nil {
		m.leave(s.starting, "superseded")
	}
	if !r.passed {
		r.canary = m.lastID + 1
	}
	m.spawn(s, r.generation, r.cause)
}

// putBack starts the old generation in the slot, unless a respawn has done so
// while the slot was in the queue.
func (m *Machine) putBack(r *roll, s *slot) {
	switch {
	case s.starting != nil:
	case s.serving != nil && s.serving.generation == r.from:
		m.rollPromoted(s)
	default:
		m.spawn(s, r.from, r.cause)
	}
}

// rollPromoted notes that a slot's new worker serves alone.
func (m *Machine) rollPromoted(s *slot) {
	r := m.roll
	if !r.holds(s) {
		return
	}
	r.held = slices.DeleteFunc(r.held, func(other *slot) bool { return other == s })
	r.done++
	m.emit(RollStep{
		Generation: r.generation, Slot: s.index, Worker: s.serving.id,
		Done: r.done, Of: r.of, Reverting: r.reverting,
	})
}

// failRoll stops the roll and reverts it: every slot that does not serve the old
// generation goes back to it, including a slot that an earlier roll left behind. If that fails
// for a slot, its present worker keeps serving.
func (m *Machine) failRoll(slotIndex int, why failure) {
	r := m.roll
	if r.reverting {
		m.revertFailed(r)
		return
	}
	m.turnBack(r, RollEnded{Generation: r.generation, Slot: slotIndex, Worker: why.worker, Reason: why.reason,
		Blame: why.blame})
}

func (m *Machine) turnBack(r *roll, why RollEnded) {
	r.reverting, r.probation, r.failure = true, time.Time{}, why
	m.emit(RollReverting{Generation: r.generation, To: r.from, Slot: why.Slot, Worker: why.Worker, Reason: why.Reason,
		Blame: why.Blame})
	m.giveBackHeld(r, "the roll failed")
	r.queue = nil
	for _, s := range m.slots {
		s.run(r.from)
		s.spare = 0
		if s.starting != nil && s.starting.generation != r.from {
			m.leave(s.starting, "the roll failed")
		}
		if s.serving != nil && s.serving.generation != r.from {
			r.queue = append(r.queue, s)
		}
	}
	r.done, r.of = 0, len(r.queue)
}

// revertFailed gives up on the slots that could not go back. A worker of the failed
// generation keeps serving there, because a roll never leaves fewer workers than it found.
// When that worker ends, the old generation is tried again.
func (m *Machine) revertFailed(r *roll) {
	r.held = slices.DeleteFunc(r.held, func(s *slot) bool {
		if s.starting != nil {
			return false
		}
		if s.serving != nil {
			s.spare = s.serving.generation
		}
		r.failure.Stuck = append(r.failure.Stuck, s.index)
		return true
	})
}

func (m *Machine) endRoll(r *roll) {
	m.roll = nil
	end := r.failure
	end.Generation = r.generation
	switch {
	case !r.reverting:
		end.Result = OK
		m.generation = r.generation
		m.keepCrashWindow(r)
	case len(end.Stuck) > 0:
		end.Result = Failed
	default:
		end.Result = RolledBack
	}
	m.emit(end)
}

// abort reverts the roll in progress, by request, and ends the roll that waits.
func (m *Machine) abort(reason string) {
	r := m.roll
	if r == nil || r.reverting {
		return
	}
	if m.pending != 0 {
		m.emit(RollSuperseded{Generation: m.pending, By: r.generation})
		m.pending = 0
	}
	m.turnBack(r, RollEnded{Generation: r.generation, Reason: reason, Blame: BlameRequest})
}

func (m *Machine) abortRoll(reason string) {
	for _, generation := range []int{m.rollGeneration(), m.pending} {
		if generation != 0 {
			m.emit(RollEnded{Generation: generation, Result: Aborted, Reason: reason})
		}
	}
	m.roll, m.pending = nil, 0
}

func (m *Machine) rollGeneration() int {
	if m.roll == nil {
		return 0
	}
	return m.roll.generation
}
