package master

import (
	"errors"

	"relevo/internal/config"
	"relevo/internal/generations"
	"relevo/pool"
)

// afterRoll applies what is not a generation's own. It says false where another master is about
// to go on: that one does it, or followServing of this one.
func (rs *rolls) afterRoll(now config.App) (done bool) {
	rs.turn.Lock()
	defer rs.turn.Unlock()
	if err := rs.running().Configure(generations.Patience(now)); err != nil {
		return !errors.Is(err, pool.ErrHandedOver) // it stops
	}
	if err := rs.fit(now.WorkerRange()); errors.Is(err, pool.ErrHandedOver) {
		return false
	} else if err != nil {
		rs.log.Error("not resized", "err", err)
	}
	rs.launcher.Store().SetKeep(now.KeepReleases)
	rs.changed.Set()
	return true
}

// fit changes the number of workers where another range is wanted than before, and leaves it alone
// otherwise: a user may have changed it since.
func (rs *rolls) fit(wanted config.WorkerRange) error {
	if last := rs.stage.is().fitted; last != nil && *last == wanted {
		return nil
	}
	_, _, err := rs.running().Resize(func(n int) (int, error) {
		rs.stage.fit(wanted) // in the pool's loop: what is left to another master has both or none
		return wanted.Fit(n), nil
	})
	return err
}

// followServing applies what a roll that ended while another master was about to go on could not.
// Where a roll is under way its end does it.
func (rs *rolls) followServing() {
	defer rs.box.hold()() // nothing freezes the pool meanwhile, and no roll begins
	status, err := rs.running().Status()
	if err == nil && status.Rolling == nil && status.Canary == nil {
		rs.afterRoll(rs.app())
	}
}
