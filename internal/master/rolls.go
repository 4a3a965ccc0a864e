package master

import (
	"context"
	"errors"
	"sync"

	"relevo/internal/background"
	"relevo/internal/control"
	"relevo/pool"
)

// rolls begins rolls, and does what follows from their ends.
type rolls struct {
	*core
	box     mailbox              // of the loop
	changed background.Broadcast // what serves is another generation
	turn    sync.Mutex           // one configuration is applied at a time
}

// waitFor waits for a roll and what follows from it. Of one that another master
// goes on with the error says so.
func (rs *rolls) waitFor(pending *pool.PendingRoll) control.Wait {
	return func(ctx context.Context) (pool.RollResult, error) {
		result, err := pending.Wait(ctx)
		if errors.Is(err, pool.ErrHandedOver) || errors.Is(context.Cause(ctx), control.ErrLeft) {
			return result, control.HandedOver(pending.Generation())
		}
		if err == nil {
			err = rs.box.settled(ctx)
		}
		return result, err
	}
}

// requestReload asks for a reload, as a person would.
func (rs *rolls) requestReload(cause string) { rs.box.post(rollWanted{cause: cause, reload: true}) }

// requestRoll asks by the clock for a roll with the configuration that serves: one that is
// being edited is read when its author says so.
func (rs *rolls) requestRoll(cause string) { rs.box.post(rollWanted{cause: cause, cron: true}) }
