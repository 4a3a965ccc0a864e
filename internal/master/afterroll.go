package master

import (
	"errors"

	"relevo/internal/config"
	"relevo/internal/generations"
	"relevo/pool"
)

// afterRoll applies the settings that do not belong to one generation. It returns false if another
// master is about to take over: then that master applies them, or followServing does after a thaw.
func (rs *rolls) afterRoll(now config.App) (done bool) {
	rs.turn.Lock()
	defer rs.turn.Unlock()
	if err := rs.running().Configure(generations.Patience(now)); err != nil {
		return !errors.Is(err, pool.ErrHandedOver) // it stops
	}
	if err := rs.fit(now.WorkerRange()); errors.Is(err, pool.ErrHandedOver) {
		return false
	} else if err != nil {
		rs.log.Error("cannot change the number of workers", "err", err)
	}
	rs.launcher.Store().SetKeep(now.KeepReleases)
	rs.changed.Set()
	return true
}

// fit changes the number of workers only if the configuration asks for another range than before: a
// user may have scaled the app since.
func (rs *rolls) fit(wanted config.WorkerRange) error {
	if last := rs.stage.is().fitted; last != nil && *last == wanted {
		return nil
	}
	_, _, err := rs.running().Resize(func(n int) (int, error) {
		rs.stage.fit(wanted) // in the pool's loop, so that the legacy has both the number and the range, or neither
		return wanted.Fit(n), nil
	})
	return err
}

// followServing applies the settings that afterRoll could not apply because another master was
// about to take over. If a roll is under way, the end of that roll applies them.
func (rs *rolls) followServing() {
	defer rs.box.hold()() // until it is done, no roll begins and nothing freezes the pool
	status, err := rs.running().Status()
	if err == nil && status.Rolling == nil && status.Canary == nil {
		rs.afterRoll(rs.app())
	}
}
