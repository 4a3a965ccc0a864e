package machine

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// world is a model of what is outside of the machine: processes that answer, or do not, and a clock.
// It notes the machine's effects, and compares them with the promises of the package.
type world struct {
	// The twin gets the same events and must answer the same, although its state goes through a
	// document between any two events.
	m, twin *Machine
	opts    Options
	now     time.Time
	event   Event // in progress

	procs      map[int]*proc
	spawned    int // the highest worker so far
	slots      int
	generation int         // the generation that serves
	asked      int         // the highest generation of a roll so far
	open       map[int]any // rolls that have not ended
	roll       *rollBook
	stuck      map[int]int // slot → generation
	dropped    int         // generation whose canary was given up in this step
	booted     bool
	wasBooted  bool // before this step
	halting    bool
	asleep     bool
	ended      bool

	recycling int          // the worker that is being replaced, 0 if none
	faults    map[int]int  // generation → faults since its canary passed
	hungSlots map[int]bool // slots whose worker was given up in this step

	log []string
	err error
}

// proc is one process, as its signals and messages describe it.
type proc struct {
	id, slot, generation int
	state                State
	since                time.Time // when it entered the state
	hello, left, drained bool
	pong, spoke, hung    bool
	told                 time.Duration
	alive                time.Time
	asked, killed        bool
	trial                bool // was spawned as a canary, and was not admitted
	gone, abandoned      bool
	patience             time.Time // until then it gets no SIGKILL or stop signal
}

func (p *proc) attached() bool { return p.state == Starting || p.state == Serving }

// rollBook is the roll in progress.
type rollBook struct {
	generation, from  int
	canary            int
	probation         time.Duration
	passed, reverting bool
	yielded           bool
	failedBack        map[int]int // slots whose way back failed → what serves there
}

func newWorld(o Options) *world {
	return &world{
		m: New(o), twin: New(o), opts: o.withDefaults(), now: epoch,
		procs: map[int]*proc{}, open: map[int]any{}, stuck: map[int]int{}, faults: map[int]int{},
	}
}

func (w *world) failf(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

// step sends one event, notes the effects and checks every promise.
func (w *world) step(e Event) {
	if w.err != nil {
		return
	}
	w.event, w.dropped, w.hungSlots, w.wasBooted = e, 0, map[int]bool{}, w.booted
	before, victim, due := w.served(), w.victim(e), w.m.Next()
	w.log = append(w.log, fmt.Sprintf("at %s %T%+v", since(w.now), e, e))
	w.hear(e)
	effects := w.m.Step(w.now, e)
	if twin, err := succeed(w.twin); err != nil {
		w.failf("cannot succeed: %v", err)
	} else {
		w.twin = twin
	}
	if again := w.twin.Step(w.now, e); !reflect.DeepEqual(effects, again) {
		w.failf("the same events gave other effects: %v and %v", effects, again)
	}
	for _, effect := range effects {
		w.log = append(w.log, "  > "+wordsOf(effect))
		if w.ended {
			w.failf("effect after Ended")
		}
		w.see(effect)
	}
	for id, p := range w.procs {
		if p.gone {
			delete(w.procs, id)
		}
	}
	w.checkSlots()
	w.checkTrials()
	w.checkFloor(before, victim)
	w.checkNext(due)
}

// hear notes what the event means for the world.
func (w *world) hear(e Event) {
	switch e := e.(type) {
	case Start:
		if w.m.phase == Idle {
			w.slots, w.generation = e.Workers, e.Generation
			w.asked = max(w.asked, e.Generation)
		}
	case Hello:
		p := w.known(e.Worker)
		p.hello, p.pong, p.alive = true, e.Pong, w.now
	case Alive:
		p := w.known(e.Worker)
		p.spoke, p.alive = true, w.now
	case Leaving:
		w.known(e.Worker).left = true
	case Drained:
		p := w.known(e.Worker)
		p.drained = true
		if p.state == Draining { // it only has to exit
			p.patience = earlier(p.patience, w.now.Add(w.opts.StopGrace))
		}
	case Exited:
		p := w.known(e.Worker)
		if p.gone = true; e.Blame == BlameProgram && p.attached() {
			w.faults[p.generation]++
		}
	case Unhealthy:
		if p := w.known(e.Worker); p.state == Starting {
			w.faults[p.generation]++
		}
	case Roll:
		w.asked = e.Generation
		if !w.ended {
			w.open[e.Generation] = nil
		}
	case Configure:
		if !w.ended {
			w.opts = e.Options.withDefaults()
		}
		for _, p := range w.procs {
			p.alive = w.now
		}
	case Halt, Force:
		w.halting = true
	}
}

// known returns the process, or a placeholder that no check looks at.
func (w *world) known(id int) *proc {
	if p := w.procs[id]; p != nil {
		return p
	}
	return &proc{}
}

// in returns the processes in one of the states, oldest first.
func (w *world) in(states ...State) []*proc {
	var found []*proc
	for _, p := range w.procs {
		if !p.abandoned && slices.Contains(states, p.state) {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b *proc) int { return a.id - b.id })
	return found
}

// end makes the world behave well: the pool must become whole, a roll must succeed and a halt must
// end it.
func (w *world) end(ops []op) {
	if w.m.phase == Idle {
		w.step(Start{Workers: 2, Generation: w.asked + 1})
	}
	w.step(Configure{}) // without this, timed events would never end
	w.step(Wake{Workers: 2})
	w.settle(true)
	if !w.ended {
		w.checkWhole("in a world that behaves")
		w.step(Roll{Generation: w.asked + 1})
		w.settle(true)
		w.checkWhole("after a roll in a world that behaves")
		if w.err == nil && w.generation != w.asked {
			w.failf("the last roll was to gen %d, serving is %d", w.asked, w.generation)
		}
		w.step(Halt{})
		w.settle(len(ops)%2 == 0) // otherwise no process ever exits
	}
	if !w.ended {
		w.failf("not ended after Halt")
	}
	for gen := range w.open {
		w.failf("the roll to gen %d never ended", gen)
	}
	w.step(Tick{})
	w.step(Force{})
	w.step(Exited{Worker: w.spawned})
}

// settle lets happen what is due until nothing is. In an obedient world workers that start get
// ready, and workers that leave exit; otherwise only time passes.
func (w *world) settle(obedient bool) {
	for range 100 + 10*len(w.procs) + 40*w.slots {
		starting, leaving := w.in(Starting), w.in(Draining, Stopping, Killing)
		switch next := w.m.Next(); {
		case w.err != nil:
			return
		case obedient && len(starting) > 0:
			w.step(Ready{starting[0].id})
		case obedient && len(leaving) > 0:
			w.step(Exited{Worker: leaving[0].id})
		case next.IsZero():
			return
		default:
			if next.After(w.now) {
				w.now = next
			}
			w.step(Tick{})
		}
	}
	w.failf("the pool does not come to rest")
}

func (w *world) story() string {
	return strings.Join(w.log, "\n") + fmt.Sprintf("\n%v", w.err)
}
