package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"relevo/ipc"
	"relevo/pool/machine"
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
	// OnRoll is called from the loop with what is known of the roll so far and the
	// releases of Generation and From, at
	// StepBegan, StepCanary (before anybody old is asked to leave), StepReverting
	// and StepEnded; a roll that gave way to a newer one ends with StepSuperseded.
	// Of a roll that ends before it began, because a newer one was asked for or the
	// pool stops, nothing is told.
	// A crash storm after a roll gives StepReverting without StepBegan. It must
	// not block, nor call a method of the pool but Publish.
	OnRoll func(step Step, r RollResult, to, from Release)
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
	changed     bool // workers have to be told the new state
	startError  *StartError
	ended       bool
}

// member is a worker in the pool's books, from spawn to exit.
type member struct {
	id, slot, generation int
	process              Process // nil until the process exists
	wanted               []func(Process) error
	state                machine.State
	started, ready       time.Time
	text                 string
	open                 int
	asked                bool // the master wants it to leave
	signalled            bool // somebody had the master send it a signal that ends programs
	abandoned            bool // nobody waits for it any more
	exit                 *Exited
}

func (m *member) pid() int {
	if m.process == nil {
		return 0
	}
	return m.process.PID()
}

// slotRecord is what is known of a slot beyond its present worker.
type slotRecord struct {
	respawns int
	lastExit *ExitStatus
	failure  *autopsy // of the last worker that died here
}

// StartError says why a pool did not come up: no worker got ready.
type StartError struct {
	Reason string
	Hint   string
	Tail   []string // the last lines that the worker wrote
}

// Error gives all of it, on several lines where there is more than the reason.
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
	journal := newSubscriber(o.App)
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
	}
}

// Ended returns a pool that has ended, for who has none yet.
func Ended() *Pool {
	p := New(Options{})
	p.shut()
	return p
}

// Run starts the workers and keeps them until Stop or Force, or until ctx ends,
// which counts as Force. It returns when all workers are gone: nil after a stop,
// a *StartError if no worker of the first generation got ready.
func (p *Pool) Run(ctx context.Context) error {
	defer p.shut()
	timer := time.NewTimer(0)
	timer.Stop()
	defer timer.Stop()
	cancelled := ctx.Done()

	p.generation = 1
	p.releases[1] = p.opts.Release
	p.step(machine.Start{Workers: max(p.opts.Workers, 1), Generation: 1})
	for !p.ended {
		p.settle()
		if next := p.machine.Next(); !next.IsZero() {
			timer.Reset(time.Until(next))
		} else {
			timer.Stop()
		}
		select {
		case call := <-p.calls:
			call()
		case <-timer.C:
			p.step(machine.Tick{})
		case <-cancelled:
			cancelled = nil
			p.step(machine.Force{})
		}
	}
	if p.startError != nil {
		return p.startError
	}
	return nil
}

// shut leaves nothing behind: releases closed, subscribers ended. Only a release
// that still hangs in starting an abandoned worker stays open.
func (p *Pool) shut() {
	close(p.done)
	for s := range p.subscribers {
		s.end()
	}
	for _, m := range p.members {
		if m.process == nil {
			delete(p.releases, m.generation)
		}
	}
	for _, r := range p.releases {
		r.Close()
	}
}

// call runs f on the loop and waits for it.
func (p *Pool) call(f func()) error {
	ran := make(chan struct{})
	if !p.post(func() { f(); close(ran) }) {
		return ErrNotRunning
	}
	<-ran // the loop runs what it has taken, also when that is the last it does
	return nil
}

// post runs f on the loop soon. It says false if there is no loop any more.
func (p *Pool) post(f func()) bool {
	select {
	case p.calls <- f:
		return true
	case <-p.done:
		return false
	}
}

// Stop asks for the graceful end; Run returns when it is reached.
func (p *Pool) Stop() error {
	return p.call(func() { p.step(machine.Halt{}) })
}

// Force kills all workers; Run returns when they are gone.
func (p *Pool) Force() error {
	return p.call(func() { p.step(machine.Force{}) })
}

// Resize changes the number of slots while the pool runs to what target makes of
// the present number. Slots that go away are drained. The error of target is
// returned as it is.
func (p *Pool) Resize(target func(now int) (int, error)) (from, to int, err error) {
	callErr := p.changing(func() {
		from = p.machine.View().Slots
		if to, err = target(from); err != nil {
			return
		}
		if to < 1 {
			err = fmt.Errorf("cannot scale to %d workers: at least 1 is needed", to)
			return
		}
		p.step(machine.Resize{Workers: to})
	})
	if callErr != nil {
		return 0, 0, callErr
	}
	return from, to, err
}

// Configure changes the patience from now on.
func (p *Pool) Configure(o machine.Options) error {
	return p.changing(func() { p.step(machine.Configure{Options: o}) })
}

// changing runs f on the loop unless the pool is on its way out.
func (p *Pool) changing(f func()) error {
	refused := false
	err := p.call(func() {
		switch p.machine.View().Phase {
		case machine.Halting, machine.Stopped:
			refused = true
		default:
			f()
		}
	})
	if refused {
		return ErrNotRunning
	}
	return err
}

// announce tells every worker the new state of the pool.
func (p *Pool) announce() {
	if !p.changed {
		return
	}
	p.changed = false
	state := ipc.State{Workers: []ipc.Peer{}}
	for _, w := range p.status().Workers {
		if w.ID != "" {
			state.Workers = append(state.Workers, ipc.Peer{Slot: w.Slot, ID: w.ID, PID: w.PID, Generation: w.Generation, State: w.State})
		}
	}
	for _, m := range p.members {
		if m.process != nil && !m.abandoned {
			state.Slot, state.Generation = m.slot, m.generation
			m.process.Send(state) // a worker that has no channel, or does not read it, does not need to know
		}
	}
}
