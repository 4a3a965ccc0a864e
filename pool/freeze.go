package pool

import (
	"context"
	"errors"
	"fmt"

	"relevo/pool/machine"
)

// ErrHandedOver is returned by Run after HandOver, and by everybody who waits for
// something in a pool that passes to another master: the next one goes on with it.
var ErrHandedOver = errors.New("pool: another master goes on with it")

// frost is the time in which a pool stands still, between Freeze and Thaw or
// HandOver. What would be done to workers while it begins, because one dies for
// example, is left to who goes on.
type frost struct {
	withheld []machine.Effect
	legacy   *Legacy // nil while it begins
}

func (f *frost) withholds(e machine.Effect) bool {
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

// Freeze lets go of all workers, unharmed, and stands still, for another master to
// go on with the legacy. Thaw goes on here instead. Until ctx ends it waits for
// workers that are just being started. An error means that nothing has changed.
func (p *Pool) Freeze(ctx context.Context) (l Legacy, err error) {
	refused := p.changing(func() { l, err = p.freeze(ctx) })
	return l, errors.Join(refused, err)
}

func (p *Pool) freeze(ctx context.Context) (Legacy, error) {
	if p.frost != nil {
		return Legacy{}, errors.New("cannot freeze the pool: it is frozen")
	}
	p.frost = &frost{}
	if err := p.awaitBirths(ctx); err != nil {
		p.thaw()
		return Legacy{}, err
	}
	processes, err := p.detachAll(ctx)
	l := p.legacy(processes)
	p.frost.legacy = &l
	if err == nil && p.ended {
		err = ErrNotRunning // its last workers died meanwhile, and Run is about to return
	}
	if err != nil {
		p.thaw()
		return Legacy{}, err
	}
	for _, e := range p.frost.withheld {
		l.Withheld = append(l.Withheld, withheldLegacy(e))
	}
	return l, nil
}

// awaitBirths serves reports until every worker has its process.
func (p *Pool) awaitBirths(ctx context.Context) error {
	for {
		unborn := 0
		for _, m := range p.members {
			if m.process == nil {
				unborn++
			}
		}
		if unborn == 0 {
			return nil
		}
		select {
		case call := <-p.calls:
			call()
		case <-ctx.Done():
			return fmt.Errorf("cannot freeze the pool: %d workers are still being started: %w", unborn, ctx.Err())
		}
	}
}

// detachAll lets go of all processes and serves their last reports.
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
	dying := map[int]bool{}
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
				dying[d.id] = true
			default:
				failed = errors.Join(failed, d.err)
			}
		}
	}
	return all, errors.Join(failed, p.awaitDeaths(ctx, dying))
}

// awaitDeaths serves reports until those that were dying are out of the books.
func (p *Pool) awaitDeaths(ctx context.Context, dying map[int]bool) error {
	for {
		for id := range dying {
			if p.members[id] == nil {
				delete(dying, id)
			}
		}
		if len(dying) == 0 {
			return nil
		}
		select {
		case call := <-p.calls:
			call()
		case <-ctx.Done():
			return fmt.Errorf("cannot freeze the pool: %d workers are still dying: %w", len(dying), ctx.Err())
		}
	}
}

// Thaw goes on after Freeze as if it had not been.
func (p *Pool) Thaw() error {
	return p.call(func() {
		if p.frost != nil {
			p.thaw()
		}
	})
}

func (p *Pool) thaw() {
	frost := p.frost
	p.frost = nil
	if frost.legacy != nil {
		for _, known := range frost.legacy.Members {
			m := p.members[known.ID]
			if m == nil || len(known.Process) == 0 {
				continue // it would not let go
			}
			order := m.order()
			process, err := p.releases[m.generation].Adopt(order, frost.legacy.Process(known), p.sinkFor(m))
			if err != nil {
				p.exited(m, Exited{Status: ExitStatus{Error: err.Error()}})
				continue
			}
			m.process = process
		}
	}
	for _, e := range frost.withheld {
		p.perform(e)
	}
	p.step(machine.Tick{})
}

// HandOver ends a frozen pool: Run returns ErrHandedOver, and leaves workers and
// releases to the master that has them now.
func (p *Pool) HandOver() error {
	return p.call(func() {
		if p.frost != nil && p.frost.legacy != nil {
			p.handedOver, p.ended = true, true
		}
	})
}
