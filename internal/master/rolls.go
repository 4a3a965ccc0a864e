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
	changed background.Broadcast // another generation serves
	turn    sync.Mutex           // held while the settings of a configuration are applied
}

// waitFor waits for a roll and for what follows from it. If another master carries the roll on, the
// error says so.
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

// requestReload requests a reload, as relevo reload does.
func (rs *rolls) requestReload(cause string) { rs.box.post(rollWanted{cause: cause, reload: true}) }

// requestRoll requests a roll by the schedule, with the serving configuration: a file that is being
// edited is read only when a user asks for it.
func (rs *rolls) requestRoll(cause string) { rs.box.post(rollWanted{cause: cause, cron: true}) }
