package machine

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Machine is the state of one pool. It is not safe for concurrent use; one loop
// owns it.
type Machine struct {
	opts         Options
	phase        Phase
	slots        []*slot
	workers      map[int]*worker // all that may still run, leaving ones included
	lastID       int
	generation   int // the generation that respawns run outside of a roll
	roll         *roll
	pending      int // generation of the roll that waits its turn, 0 if none
	pendingCause Cause
	failed       failure
	window       *crashWindow // of generation; nil: it is over, or there is nothing to go back to
	recycleQueue []recycling
	recycling    *recycling    // the last one begun; recycled says whether it is still in progress
	asleep       time.Time     // since when there are no slots; zero: there are
	fallBack     time.Time     // after a wake: when the canary gives way to the old generation; zero: it does not
	startTook    time.Duration // of the last worker that got ready
	out          []Effect
	now          time.Time
}

// worker is one process, from Spawn to Exited.
type worker struct {
	id, slot, generation int
	state                State
	hello                bool      // takes its drain by message
	asked                bool      // by message, or leaves by itself, or has drained: gets the stop signal before SIGKILL
	trial                bool      // it was a canary, and was not admitted yet
	began                time.Time // of its start
	unseen               string    // why the master cannot see whether it serves; empty if it can
	due                  time.Time // when the time limit of its state ends; zero: never
	served               time.Time // when it became ready

	// The watchdog's fields.
	pong, spoke   bool          // answers pings; has given a sign of life by itself
	hung          bool          // it hangs and is being replaced
	told          time.Duration // Options.Watchdog at its spawn
	alive, pinged time.Time
}

// slot is one place in the pool. Workers that leave are no longer in it.
type slot struct {
	index      int
	generation int       // what a respawn runs
	spare      int       // what it runs if that generation does not start; 0: nothing else
	serving    *worker   // answers clients
	starting   *worker   // will take over from serving when it is ready
	retry      time.Time // when vacant: not spawned before this time
	again      time.Time // not recycled before this time
	deaths     float64   // the leaky bucket of backoff.go
	tried      bool      // the first worker got ready or failed
	untold     string    // why its worker failed, not reported yet because no respawn was due
	cause      Cause     // why its next worker is started, when vacant
}

// failure says which worker failed, and why.
type failure struct {
	worker int
	reason string
	blame  Blame
}

// New returns a machine that waits for Start.
func New(o Options) *Machine {
	return &Machine{opts: o.withDefaults(), phase: Idle, workers: map[int]*worker{}}
}

// Step takes one event and returns what to do. It ignores events of workers that have
// ended, because a message may be on its way when its sender dies.
func (m *Machine) Step(now time.Time, e Event) []Effect {
	if m.phase == Stopped {
		return nil
	}
	m.now, m.out = now, nil
	if !m.heard(e) && !m.asked(e) {
		panic(fmt.Sprintf("internal error: machine: unknown event %T", e))
	}
	m.advance()
	return m.out
}

// heard handles what comes from workers and from the clock.
func (m *Machine) heard(e Event) bool {
	switch e := e.(type) {
	case Ready:
		m.ready(m.workers[e.Worker])
	case Hello:
		m.greeted(m.workers[e.Worker], e.Pong)
	case Leaving:
		m.leaving(m.workers[e.Worker])
	case Drained:
		m.drained(m.workers[e.Worker])
	case Exited:
		m.exited(m.workers[e.Worker], e)
	case Alive:
		m.spoke(m.workers[e.Worker])
	case Unseen:
		m.unseen(m.workers[e.Worker], e.Reason)
	case Hung:
		m.hung(m.workers[e.Worker], e.Reason)
	case Unhealthy:
		m.unhealthy(m.workers[e.Worker], e.Reason)
	case Tick:
		m.tick()
	default:
		return false
	}
	return true
}

// asked handles what the master asks of the pool.
func (m *Machine) asked(e Event) bool {
	switch e := e.(type) {
	case Start:
		m.start(e)
	case Recycle:
		m.wantRecycled(m.workers[e.Worker], e.Cause, e.Reason)
	case Roll:
		m.requestRoll(e.Generation, e.Cause)
	case Promote:
		m.promoteCanary()
	case Abort:
		m.abort(e.Reason)
	case Resize:
		m.resize(e)
	case Sleep:
		m.sleep(e.Reason)
	case Wake:
		m.wake(e.Workers, e.Reason)
	case Configure:
		m.configure(e.Options)
	case Halt:
		m.halt("the pool stops")
	case Force:
		m.force()
	default:
		return false
	}
	return true
}

// greeted notes that a worker takes its drain by message.
func (m *Machine) greeted(w *worker, pong bool) {
	if w != nil {
		w.hello, w.pong = true, pong
		w.lived(m.now)
	}
}

// spoke notes a sign of life.
func (m *Machine) spoke(w *worker) {
	if w != nil {
		w.spoke = true
		w.lived(m.now)
	}
}

// unseen notes whether the master can see that a worker serves.
func (m *Machine) unseen(w *worker, reason string) {
	if w != nil {
		w.unseen = reason
	}
}

// Next returns when the next Tick is due, the zero time if none is.
func (m *Machine) Next() time.Time {
	var next time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, w := range m.workers {
		sooner(w.due)
		sooner(w.nextWatch(m.opts))
	}
	if m.roll != nil {
		sooner(m.roll.probation)
	}
	sooner(m.fallBack)
	if m.window != nil && !m.window.stormed() {
		sooner(m.window.until)
	}
	sooner(m.nextEnd())
	for _, s := range m.slots {
		if m.vacant(s) {
			sooner(s.retry)
		}
	}
	return next
}

// advance does what has become possible or due. Only advance and yield spawn workers.
func (m *Machine) advance() {
	m.advanceBoot()
	m.closeCrashWindow()
	switch m.phase {
	case Booting, Running:
		m.advanceRoll()
		m.respawn()
		m.advanceRecycle()
		m.admitSettled()
	case Halting:
		if len(m.workers) == 0 {
			m.phase = Stopped
			m.emit(Ended{})
		}
	}
}

func (m *Machine) start(e Start) {
	if m.phase != Idle {
		return
	}
	m.phase, m.generation = Booting, e.Generation
	m.addSlots(e.Workers)
}

// advanceBoot ends the boot when every slot has had its first try. If no worker serves,
// the whole start fails: there is no old generation to keep.
func (m *Machine) advanceBoot() {
	if m.phase != Booting {
		return
	}
	for _, s := range m.slots {
		if !s.tried {
			return
		}
	}
	m.phase = Running
	ok := m.serves()
	m.emit(Booted{OK: ok, Worker: m.failed.worker, Reason: m.failed.reason, Blame: m.failed.blame})
	if !ok {
		m.halt(m.failed.reason)
	}
}

// configure changes the options. It restarts the watchdog's time of every worker, so that
// a shorter interval alone makes no worker look hung.
func (m *Machine) configure(o Options) {
	m.opts = o.withDefaults()
	for _, w := range m.workers {
		w.lived(m.now)
	}
}

func (m *Machine) tick() {
	for _, id := range m.ids() {
		if w := m.workers[id]; !w.due.IsZero() && !m.now.Before(w.due) {
			m.timedOut(w)
		} else {
			m.watch(w)
		}
	}
	if r := m.roll; r != nil && !r.probation.IsZero() && !m.now.Before(r.probation) {
		m.canaryPassed()
	}
	m.answerWaiting()
}

// ids returns the workers' ids in order, so that the same events give the same effects.
func (m *Machine) ids() []int {
	return slices.Sorted(maps.Keys(m.workers))
}

func (m *Machine) spawn(s *slot, generation int, cause Cause) {
	m.lastID++
	w := &worker{
		id: m.lastID, slot: s.index, generation: generation,
		state: Starting, began: m.now, due: m.now.Add(m.opts.ReadyTimeout), told: m.opts.Watchdog,
	}
	w.trial = m.roll.canaryIs(w)
	m.workers[w.id] = w
	s.starting = w
	m.emit(Spawn{Worker: w.id, Slot: s.index, Generation: generation, Canary: w.trial, Cause: cause})
	m.emit(Moved{Worker: w.id, Slot: s.index, Generation: generation, From: Empty, To: Starting})
}

func (m *Machine) move(w *worker, to State, reason string) {
	m.emit(Moved{Worker: w.id, Slot: w.slot, Generation: w.generation, From: w.state, To: to, Reason: reason})
	w.state, w.due = to, time.Time{}
}

func (m *Machine) emit(e Effect) { m.out = append(m.out, e) }

// slotOf returns the slot in which w starts or serves, nil if it is leaving.
func (m *Machine) slotOf(w *worker) *slot {
	for _, s := range m.slots {
		if s.serving == w || s.starting == w {
			return s
		}
	}
	return nil
}
