package pool

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"relevo/pool/machine"
	"relevo/pool/tally"
)

// ErrNotRunning is returned by every method once Run has returned, and by those
// that change something once the pool stops.
var ErrNotRunning = errors.New("pool: not running")

// Options say what a pool is. Only Release is required.
type Options struct {
	App      string          // name for events
	Workers  int             // number of slots; default 1
	Release  Release         // the first generation; the pool closes it
	Patience machine.Options // surge and time limits
	OnReady  func()          // called from the loop after a worker got ready; must not block
	// OnRoll is called from the loop at StepBegan, StepCanary (before any old worker is asked
	// to leave), StepReverting and StepEnded; a roll that a newer one replaces ends with
	// StepSuperseded. It gets what is known of the roll so far and the releases of Generation
	// and From. It is not called for a roll that ends before it began, because a newer one
	// was requested or the pool stops. A crash storm after a roll gives StepReverting without
	// StepBegan. OnRoll must not block, nor call a method of the pool except Publish.
	OnRoll func(step Step, r RollResult, to, from Release)
	// Keeper gets what a later master needs if this one dies; nil: nothing is kept.
	Keeper Keeper
	// Beat is called every BeatEvery, only from the loop, to show that the loop is alive. It
	// must not block. If either is unset, the loop does not wake up for it.
	Beat      func()
	BeatEvery time.Duration
}

// Pool is a set of workers. Its methods are safe for concurrent use while Run
// runs; they wait for Run to be called.
type Pool struct {
	opts  Options
	calls chan func()   // requests and reports, run by the loop in their order
	done  chan struct{} // closed when Run returns

	// Below: owned by the loop.
	machine     *machine.Machine
	members     map[int]*member
	slots       map[int]*slotRecord
	releases    map[int]Release // by generation
	generation  int             // the highest given out
	subscribers map[*subscriber]bool
	journal     *subscriber
	rolls       map[int]*rollRequest // by generation, until they end
	lastRoll    *RollResult
	changed     bool      // workers have to be told the new state
	changedAt   time.Time // since when; zero: it did not change, or has not settled since
	announced   time.Time
	startError  *StartError
	ended       bool
	received    *Legacy      // the legacy of the previous master, until Run has taken it over
	frozen      *freezeState // nil: the pool is not frozen
	handedOver  bool
	unsaved     bool             // the keeper has not seen the newest state
	awaitSave   []func()         // called when it has
	answers     []func()         // to callers, called when the loop has done what they asked for
	kept        map[int][]string // names of the releases' files at the keeper, by generation
	connections Connections      // of workers that were led out
	loads       loadAlarm
	waking      bool // it has slept, and no worker has been ready or has failed since
	tally       tally.Tally
	recent      recent
	closing     sync.WaitGroup // of releases that nothing needs any more
}

// member is the pool's record of a worker, from spawn to exit.
type member struct {
	id, slot, generation int
	process              Process // nil until the process exists
	obstacle             string  // what probably keeps it from getting ready, and what to do
	wanted               []func(Process) error
	state                machine.State
	started, ready       time.Time
	cause                machine.Cause // why it was started
	leaving              time.Time     // when it began to drain; zero: it has not
	readyBy              string
	text                 string
	load                 *float64 // nil: it has not told
	loadMeasured         bool     // by relevo's own code in it
	wrongLoad            bool     // it was told that this worker reports a load that is no number
	open                 int
	pinged               time.Time // when it last gave a sign of life by itself; zero: it has not
	canary               bool      // a roll's first worker that was not admitted yet
	asked                bool      // the master wants it to leave
	hung                 bool      // it gave no sign of life, and is replaced
	signalled            bool      // a user had the master send it a signal that ends programs
	abandoned            bool      // the pool has stopped waiting for it
	exit                 *Exited
	kept                 []string // names of its files at the keeper
}

func (m *member) order() Order {
	return Order{ID: strconv.Itoa(m.id), Slot: m.slot, Generation: m.generation, Canary: m.canary}
}

func (m *member) pid() int {
	if m.process == nil {
		return 0
	}
	return m.process.PID()
}

// slotRecord is the history of a slot, beyond its present worker.
type slotRecord struct {
	respawns int
	lastExit *ExitStatus
	failure  *autopsy // of the last worker that died here
}

// StartError says why the start of a pool failed: no worker got ready.
type StartError struct {
	Reason string        `json:"reason"`
	Hint   string        `json:"hint,omitempty"`
	Tail   []string      `json:"tail,omitempty"` // the last lines that the worker wrote
	Blame  machine.Blame `json:"blame,omitempty"`
}

// Error adds hint and last output on further lines.
func (e *StartError) Error() string {
	var b strings.Builder
	b.WriteString("cannot start: no worker got ready: " + e.Reason)
	if e.Hint != "" {
		b.WriteString("\n  " + e.Hint)
	}
	WriteTail(&b, e.Tail)
	return b.String()
}

// WriteTail adds a worker's last lines to a message.
func WriteTail(b *strings.Builder, tail []string) {
	if len(tail) == 0 {
		return
	}
	b.WriteString("\n  last output:")
	for _, line := range tail {
		b.WriteString("\n    " + line)
	}
}

// New returns a pool that starts its workers in Run.
func New(o Options) *Pool {
	return withJournal(o, newSubscriber(o.App, subscriberBuffer))
}

func withJournal(o Options, journal *subscriber) *Pool {
	return &Pool{
		opts:        o,
		journal:     journal,
		calls:       make(chan func()),
		done:        make(chan struct{}),
		machine:     machine.New(o.Patience),
		members:     map[int]*member{},
		slots:       map[int]*slotRecord{},
		releases:    map[int]Release{},
		subscribers: map[*subscriber]bool{journal: true},
		rolls:       map[int]*rollRequest{},
		kept:        map[int][]string{},
	}
}

// Ended returns a pool that has ended: a placeholder until there is a real one.
func Ended() *Pool {
	p := withJournal(Options{}, newSubscriber("", 0)) // which gets nothing to hold
	p.shut()
	return p
}

// Run starts the workers and keeps them until Stop or Force, or until ctx ends,
// which counts as Force. It returns when all workers are gone: nil after a stop,
// a *StartError if no worker of the first generation got ready. After HandOver it
// returns ErrHandedOver at once.
func (p *Pool) Run(ctx context.Context) error {
	defer p.shut()
	timer := time.NewTimer(0)
	timer.Stop()
	defer timer.Stop()
	beats, noBeats := p.beats()
	defer noBeats()
	cancelled := ctx.Done()

	if p.received != nil {
		p.takeOver()
	} else {
		p.generation = 1
		p.releases[1] = p.opts.Release
		p.keepRelease(1)
		p.step(machine.Start{Workers: max(p.opts.Workers, 1), Generation: 1})
	}
	for !p.ended {
		p.settle()
		if next := p.next(); !next.IsZero() && p.frozen == nil {
			timer.Reset(time.Until(next))
		} else {
			timer.Stop()
		}
		select {
		case call := <-p.calls:
			call()
		case <-timer.C:
			p.step(machine.Tick{})
		case <-beats:
			p.opts.Beat()
		case <-cancelled:
			cancelled = nil
			if p.frozen != nil {
				p.thaw()
			}
			p.step(machine.Force{})
		}
	}
	switch {
	case p.handedOver:
		return ErrHandedOver
	case p.startError != nil:
		return p.startError
	}
	return nil
}

// beats is nil if Beat or BeatEvery is unset.
func (p *Pool) beats() (beats <-chan time.Time, stop func()) {
	if p.opts.Beat == nil || p.opts.BeatEvery <= 0 {
		return nil, func() {}
	}
	ticker := time.NewTicker(p.opts.BeatEvery)
	return ticker.C, ticker.Stop
}

// shut closes all releases and ends all subscribers. Only a release that still hangs in
// starting an abandoned worker stays open.
func (p *Pool) shut() {
	close(p.done)
	p.answer()
	for s := range p.subscribers {
		s.end()
	}
	if p.handedOver {
		return // they belong to the next master
	}
	defer p.closing.Wait()
	for _, m := range p.members {
		if m.process == nil {
			delete(p.releases, m.generation)
		}
	}
	for generation, r := range p.releases {
		if p.startError != nil {
			p.drop(p.kept[generation]) // another pool may follow, whose files have the same names
		}
		r.Close()
	}
}

// call runs f on the loop and waits for it.
func (p *Pool) call(f func()) error {
	ran := make(chan struct{})
	return p.run(ran, func() { f(); close(ran) })
}

// callAndSave is call that waits until what f has changed is saved: the caller may rely
// on the change, even if this master is killed. While the pool is frozen nothing is saved.
func (p *Pool) callAndSave(f func()) error {
	saved := make(chan struct{})
	return p.run(saved, func() {
		f()
		p.answers = append(p.answers, func() { close(saved) })
	})
}

// run has the loop run f, which closes done, and waits for that.
func (p *Pool) run(done <-chan struct{}, f func()) error {
	if !p.post(f) {
		if p.handedOver {
			return ErrHandedOver
		}
		return ErrNotRunning
	}
	<-done // the loop always runs a call that it has received, even if it ends afterwards
	return nil
}

// post runs f on the loop later. It returns false if the loop has ended.
func (p *Pool) post(f func()) bool {
	select {
	case p.calls <- f:
		return true
	case <-p.done:
		return false
	}
}

// Stop asks for a graceful stop; Run returns when all workers have ended.
func (p *Pool) Stop() error { return p.unfrozen(func() { p.step(machine.Halt{}) }) }

// Force kills all workers; Run returns when they have ended.
func (p *Pool) Force() error { return p.unfrozen(func() { p.step(machine.Force{}) }) }

// unfrozen runs f on the loop unless the pool is being handed to another master.
func (p *Pool) unfrozen(f func()) error {
	var refused error
	err := p.callAndSave(func() {
		if p.frozen != nil {
			refused = ErrHandedOver
			return
		}
		f()
	})
	return errors.Join(err, refused)
}

// Resize changes the number of slots of a running pool to target(present number). Removed
// slots are drained. An error of target is returned unchanged.
func (p *Pool) Resize(target func(now int) (int, error)) (from, to int, err error) {
	return p.ResizeFor("", target)
}

// ResizeFor is Resize with the reason that its event tells.
func (p *Pool) ResizeFor(reason string, target func(now int) (int, error)) (from, to int, err error) {
	callErr := p.changing(func() {
		from = p.machine.View().Slots
		if to, err = target(from); err != nil {
			return
		}
		if to == from {
			return // also none, asleep
		}
		if to < 1 {
			err = fmt.Errorf("cannot scale to %d workers: at least 1 is needed", to)
			return
		}
		p.step(machine.Resize{Workers: to, Reason: reason})
	})
	if callErr != nil {
		return 0, 0, callErr
	}
	return from, to, err
}

// Configure changes surge and time limits from now on.
func (p *Pool) Configure(o machine.Options) error {
	return p.changing(func() { p.step(machine.Configure{Options: o}) })
}

// changing runs f on the loop unless the pool is stopping.
func (p *Pool) changing(f func()) error {
	var refused error
	err := p.callAndSave(func() {
		switch phase := p.machine.View().Phase; {
		case p.frozen != nil:
			refused = ErrHandedOver
		case phase == machine.Halting || phase == machine.Stopped:
			refused = ErrNotRunning
		default:
			f()
		}
	})
	return errors.Join(err, refused)
}
