package machine

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// world is a model of what is outside of the machine: processes that answer, or
// do not, and a clock. It keeps its own books of what the machine's effects say,
// and compares them with the promises of the package.
type world struct {
	// The twin gets the same events and must answer the same, although its state
	// goes through a document between any two of them.
	m, twin *Machine
	opts    Options
	now     time.Time
	event   Event // in progress

	procs      map[int]*proc
	spawned    int // the highest worker so far
	slots      int
	generation int         // that serves
	asked      int         // the highest generation of a roll so far
	open       map[int]any // rolls that have not ended
	roll       *rollBook
	stuck      map[int]int // slot → generation
	dropped    int         // generation whose canary was given up in this step
	booted     bool
	wasBooted  bool // before this step
	halting    bool
	ended      bool

	recycling int          // the worker that is being replaced, 0 if none
	faults    map[int]int  // generation → faults since its canary passed
	hungSlots map[int]bool // whose worker was given up in this step

	log []string
	err error
}

// proc is one process as its signals and messages tell it.
type proc struct {
	id, slot, generation int
	state                State
	since                time.Time // of the state
	hello, left, drained bool
	pong, spoke, hung    bool
	told                 time.Duration
	alive                time.Time
	asked, killed        bool
	trial                bool // was spawned as a canary, and was not admitted
	gone, abandoned      bool
	patience             time.Time // no harder means before this moment
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

// step sends one event, follows the effects and checks every promise.
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

// hear notes what the event means for the books.
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
		if p.state == Draining { // it has nothing left but to exit
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

// known returns the process, or one that nobody will look at.
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

// op is one thing that happens; a and b choose to whom, and when.
type op struct{ kind, a, b byte }

func opsOf(data []byte) []op {
	var ops []op
	for ; len(data) >= 3; data = data[3:] {
		ops = append(ops, op{data[0], data[1], data[2]})
	}
	return ops
}

// run plays the ops in a new world, lets that behave well from then on, and
// returns the first broken promise.
func run(ops []op) (w *world) {
	w = newWorld(Options{})
	defer func() {
		if r := recover(); r != nil {
			w.failf("panic: %v", r)
		}
	}()
	for i, o := range ops {
		if i == 0 && o.kind < 250 {
			w.step(Start{Workers: 1 + int(o.a)%4, Generation: 1})
			continue
		}
		w.do(o)
	}
	w.end(ops)
	return w
}

func (w *world) do(o op) {
	pauses := []time.Duration{0, 0, 0, 0, 1, 50e6, 300e6, 1e9, 2e9, 5e9, 40e9}
	w.now = w.now.Add(pauses[int(o.b)%len(pauses)])
	switch kind := o.kind % 52; kind {
	case 19, 20, 21, 22:
		if next := w.m.Next(); next.After(w.now) {
			w.now = next
		}
		w.step(Tick{})
	case 23:
		w.step(Tick{}) // early or late
	case 24, 25, 26:
		w.step(Roll{w.asked + 1})
	case 27, 28:
		w.step(Resize{int(o.a) % 6})
	case 29:
		w.step(Configure{someOptions(o.a)})
	case 30:
		w.step(Start{Workers: 1 + int(o.a)%4, Generation: w.asked + 1})
	case 31:
		w.rarely(o.a)
	case 47, 48:
		w.step(Promote{})
	case 49:
		w.step(Abort{Reason: "aborted"})
	default:
		w.step(w.word(kind, o.a))
	}
}

// word is something that a process does; a chooses which one.
func (w *world) word(kind, a byte) Event {
	pick := func(states ...State) int {
		if among := w.in(states...); len(among) > 0 {
			return among[int(a)%len(among)].id
		}
		return int(a) % (w.spawned + 2) // anyone, known or not
	}
	leaving := []State{Draining, Stopping, Killing}
	const reason = "some reason"
	switch kind {
	case 0, 1, 2, 3, 4:
		return Ready{pick(Starting)}
	case 5:
		return Ready{pick()}
	case 6, 7:
		return Hello{Worker: pick(Starting, Serving)}
	case 8:
		return Leaving{pick(Serving)}
	case 9:
		return Leaving{pick(leaving...)}
	case 10:
		return Drained{pick(Draining)}
	case 11:
		return Drained{pick()}
	case 12, 13:
		return Exited{Worker: pick(Starting), Reason: reason}
	case 14, 15:
		return Exited{Worker: pick(Serving), Reason: reason}
	case 16, 17:
		return Exited{Worker: pick(leaving...), Reason: reason}
	case 32:
		return Alive{pick(Serving)}
	case 33:
		return Alive{pick()}
	case 34:
		return Hung{pick(Starting, Serving, Draining), reason}
	case 35:
		return Recycle{pick(Serving), reason}
	case 36:
		return Recycle{pick(), reason}
	case 37:
		return Exited{Worker: pick(Starting), Reason: reason, Blame: BlameProgram}
	case 38, 40, 41, 42, 43:
		return Exited{Worker: pick(Serving), Reason: reason, Blame: BlameProgram}
	case 44:
		return Exited{Worker: pick(Starting), Reason: reason, Blame: BlameMaster}
	case 45:
		return Unseen{pick(Starting), reason}
	case 46:
		return Unseen{Worker: pick(Starting)}
	case 50:
		return Unhealthy{pick(Starting, Serving), reason}
	case 51:
		return Unhealthy{pick(), reason}
	case 39:
		return Hello{Worker: pick(Starting, Serving), Pong: true}
	}
	return Exited{Worker: pick(), Reason: reason}
}

// rarely ends the pool, which ends the story too.
func (w *world) rarely(a byte) {
	switch {
	case a < 20:
		w.step(Halt{})
	case a < 30:
		w.step(Force{})
	default:
		w.step(Tick{})
	}
}

func someOptions(a byte) Options {
	o := Options{Surge: int(a) % 4}
	if a&4 != 0 {
		o.Canary = -1
	}
	if a&8 != 0 {
		o.DrainTimeout, o.ReadyTimeout = time.Second, 2*time.Second
	}
	if a&16 != 0 {
		o.BackoffMin, o.BackoffMax = 10*time.Millisecond, time.Second
	}
	if a&32 != 0 {
		o.StopGrace, o.KillTimeout = 100*time.Millisecond, 300*time.Millisecond
	}
	if a&64 != 0 {
		o.Watchdog = 10 * time.Second
	}
	if a&128 != 0 {
		o.MaxLifetime, o.LifetimeJitter = 20*time.Second, 0.5
	}
	if a%5 == 0 {
		o.CrashWindow = -1
	}
	return o
}

// end lets the world behave: the pool must become whole, a roll must succeed and
// a halt must end it.
func (w *world) end(ops []op) {
	if w.m.phase == Idle {
		w.step(Start{Workers: 2, Generation: w.asked + 1})
	}
	w.step(Configure{}) // what happens by the clock would go on for ever
	w.settle(true)
	if !w.ended {
		w.checkWhole("in a world that behaves")
		w.step(Roll{w.asked + 1})
		w.settle(true)
		w.checkWhole("after a roll in a world that behaves")
		if w.err == nil && w.generation != w.asked {
			w.failf("the last roll was to gen %d, serving is %d", w.asked, w.generation)
		}
		w.step(Halt{})
		w.settle(len(ops)%2 == 0) // or nobody ever exits
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

// settle lets everything happen that is due, until nothing is. In an obedient
// world starting workers get ready and leaving ones exit; else only time passes.
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
