package master

import (
	"errors"
	"fmt"

	"relevo/internal/control"
	"relevo/pool"
)

// Promote ends the probation of the canary well: control.Master.
func (q *requests) Promote() (canary pool.Canary, err error) {
	if refused := q.ask(func() { canary, err = q.running().Promote() }); refused != nil {
		return canary, refused
	}
	return canary, refusedTrial("promote", err)
}

// Abort ends the roll, back to the generation that served before: control.Master.
func (q *requests) Abort() (control.Wait, error) {
	var pending *pool.PendingRoll
	var err error
	if refused := q.ask(func() { pending, err = q.running().Abort() }); refused != nil {
		return nil, refused
	}
	if err != nil {
		return nil, refusedTrial("abort", err)
	}
	return q.waitFor(pending), nil
}

// refusedTrial says why there was no canary to promote or to abort.
func refusedTrial(verb string, err error) error {
	switch {
	case errors.Is(err, pool.ErrNotReady), errors.Is(err, pool.ErrReverting):
		return control.WithExit(fmt.Errorf("cannot %s: %w; relevo status shows the roll", verb, err), control.ExitBusy)
	case errors.Is(err, pool.ErrNotRolling), errors.Is(err, pool.ErrNoProbation):
		return control.WithExit(fmt.Errorf("cannot %s: %w; relevo status shows what serves", verb, err), control.ExitFailure)
	}
	return err
}
