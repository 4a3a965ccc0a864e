package pool

import (
	"context"
	"errors"
	"fmt"

	"relevo/pool/machine"
)

// ErrHandedOver is returned by Run after HandOver, and by calls that wait in the pool at
// that time: another master continues with its workers.
var ErrHandedOver = errors.New("pool: another master has taken over")

// freezeState exists between Freeze and Thaw or HandOver. What the pool would do to its
// workers in that time, because one dies for example, is withheld until Thaw, or passed
// to the next master.
type freezeState struct {
	withheld []machine.Effect
	legacy   *Legacy // nil while it begins
}

func (f *freezeState) withholds(e machine.Effect) bool {
	if f == nil {
		return false
	}
	switch e.(type) {
	case machine.Spawn, machine.Admit, machine.Drain, machine.Terminate, machine.Kill:
		f.withheld = append(f.withheld, e)
		return true
	case machine.Ping:
		return true // it is due again soon
	}
	return false
}

// Freeze detaches from all workers, which keep serving, and does nothing more, so that
// another master can continue with the legacy. Thaw undoes it. Freeze first waits for
// workers that are just being started, until ctx ends. An error means that nothing has
// changed.
func (p *Pool) Freeze(ctx context.Context) (l Legacy, err error) {
	refused := p.changing(func() { l, err = p.freeze(ctx) })
	return l, errors.Join(refused, err)
}

func (p *Pool) freeze(ctx context.Context) (Legacy, error) {
	if p.frozen != nil {
		return Legacy{}, errors.New("cannot freeze the pool: it is frozen")
	}
	p.frozen = &freezeState{}
	if err := p.awaitStarting(ctx); err != nil {
		p.thaw()
		return Legacy{}, err
	}
	processes, err := p.detachAll(ctx)
	l := p.legacy(processes)
	p.frozen.legacy = &l
	if err == nil && p.ended {
		err = ErrNotRunning // its last workers died meanwhile, and Run is about to return
	}
	if err != nil {
		p.thaw()
		return Legacy{}, err
	}
	for _, e := range p.frozen.withheld {
		l.Withheld = append(l.Withheld, withheldLegacy(e))
	}
	return l, nil
}

// awaitStarting handles reports until every worker has its process.
func (p *Pool) awaitStarting(ctx context.Context) error {
	for {
		starting := 0
		for _, m := range p.members {
			if m.process == nil {
				starting++
			}
		}
		if starting == 0 {
			return nil
		}
		select {
		case call := <-p.calls:
			call()
		case <-ctx.Done():
			return fmt.Errorf("cannot freeze the pool: number of workers still being started: %d: %w", starting, ctx.Err())
		}
	}
}

// detachAll detaches from all processes and handles their last reports.
func (p *Pool) detachAll(ctx context.Context) (map[int]ProcessLegacy, error) {
	type detached struct {
		id     int
		legacy ProcessLegacy
		err    error
	}
	results := make(chan detached)
	for id, m := range p.members {
		go func() {
			legacy, err := m.process.Detach(ctx)
			results <- detached{id, legacy, err}
		}()
	}
	all := map[int]ProcessLegacy{}
	exiting := map[int]bool{}
	var failed error
	for waiting := len(p.members); waiting > 0; {
		select {
		case call := <-p.calls:
			call()
		case d := <-results:
			waiting--
			switch {
			case d.err == nil:
				all[d.id] = d.legacy
			case errors.Is(d.err, ErrGone):
				exiting[d.id] = true
			default:
				failed = errors.Join(failed, d.err)
			}
		}
	}
	return all, errors.Join(failed, p.awaitExits(ctx, exiting))
}

// awaitExits handles reports until the pool has recorded the exits of these workers.
func (p *Pool) awaitExits(ctx context.Context, exiting map[int]bool) error {
	for {
		for id := range exiting {
			if p.members[id] == nil {
				delete(exiting, id)
			}
		}
		if len(exiting) == 0 {
			return nil
		}
		select {
		case call := <-p.calls:
			call()
		case <-ctx.Done():
			return fmt.Errorf("cannot freeze the pool: number of workers still exiting: %d: %w", len(exiting), ctx.Err())
		}
	}
}

// Thaw undoes Freeze: the pool adopts its workers again.
func (p *Pool) Thaw() error {
	return p.call(func() {
		if p.frozen != nil {
			p.thaw()
		}
	})
}

func (p *Pool) thaw() {
	frozen := p.frozen
	p.frozen = nil
	if frozen.legacy != nil {
		for _, known := range frozen.legacy.Members {
			m := p.members[known.ID]
			if m == nil || len(known.Process) == 0 {
				continue // Detach had failed: the process was never given away
			}
			order := m.order()
			process, err := p.releases[m.generation].Adopt(order, frozen.legacy.Process(known), p.sinkFor(m))
			if err != nil {
				p.exited(m, Exited{Status: ExitStatus{Error: err.Error()}})
				continue
			}
			m.process = process
		}
	}
	for _, e := range frozen.withheld {
		p.perform(e)
	}
	p.step(machine.Tick{})
	p.unsaved = true // the master may have more to tell since
}

// HandOver ends a frozen pool: Run returns ErrHandedOver, and leaves workers and
// releases to the master that has them now.
func (p *Pool) HandOver() error {
	return p.call(func() {
		if p.frozen != nil && p.frozen.legacy != nil {
			p.handedOver, p.ended = true, true
		}
	})
}
