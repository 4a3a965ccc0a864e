package master

import (
	"context"

	"relevo/internal/control"
	"relevo/pool"
	"relevo/pool/machine"
)

// rollAsleep handles a roll that was requested while the pool sleeps. A user wants to know now
// whether the release works, so the pool wakes. A roll that relevo itself requests waits for the
// next client.
func (rs *rolls) rollAsleep(pending *pool.PendingRoll, kind kindOfTask) (control.Wait, error) {
	if kind == again {
		rs.log.Info("asleep: the roll begins when a client comes", "generation", pending.Generation())
		return beginsLater, nil
	}
	if err := rs.running().Wake(1, "a roll was asked for"); err != nil {
		return nil, err
	}
	return rs.waitFor(pending), nil
}

// beginsLater is the wait for a roll that begins later.
func beginsLater(context.Context) (pool.RollResult, error) {
	return pool.RollResult{Result: machine.OK}, nil
}
