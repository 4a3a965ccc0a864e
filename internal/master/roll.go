package master

import (
	"fmt"
	"os"

	"relevo/internal/announce"
	"relevo/internal/control"
	"relevo/internal/generations"
	"relevo/pool"
	"relevo/pool/machine"
)

// roll hands a generation to the pool. Its time limits apply from now on, because they may have
// been changed for a slow start. A roll that fails brings the old ones back.
func (rs *rolls) roll(g *generations.Generation, t task) (control.Wait, error) {
	err := rs.giveNotifySocket(g, rs.serving())
	if err == nil {
		err = rs.running().Configure(g.Patience())
	}
	if err != nil {
		rs.generations.Drop(g)
		return nil, err
	}
	rs.generations.Want(g)
	pending, err := rs.running().BeginRollFor(t.cause(), g)
	if err != nil {
		return nil, err // the pool stops
	}
	if pending.Asleep() {
		return rs.rollAsleep(pending, t.kind)
	}
	return rs.waitFor(pending), nil
}

// cause is what the starts of the roll's workers are counted under.
func (t task) cause() machine.Cause {
	if t.cron {
		return machine.CauseCron
	}
	return machine.CauseRoll
}

// rolled follows the steps of each roll, from the serving generation to a new one. The pool calls
// it from its loop.
func (rs *rolls) rolled(step pool.Step, r pool.RollResult, to, from pool.Release) {
	ended := rs.generations.Follow(step, r.Result, to, from)
	if ended == nil {
		return
	}
	// The loop hears of the end before the callers do, so that a caller also waits for what
	// follows.
	rs.box.post(rollEnded{r, ended})
}

// conclude does everything that follows from a roll that has ended.
func (rs *rolls) conclude(number int, m rollEnded) concluded {
	end := rs.generations.Rolled(m.result, m.ended)
	rs.generations.Judge(end)
	if end.Result == machine.OK && end.Tried.Sum != "" {
		rs.announcer.Warnings.Set(announce.ReleaseWarning, "")
	}
	rs.announcer.Forgive(m.result)
	serving := m.ended.Tried
	if end.Result != machine.OK {
		serving = m.ended.From
	}
	rs.report(rs.giveNotifySocket(serving, m.ended.From))
	c := concluded{number: number, works: end.Result == machine.OK, frozen: !rs.afterRoll(m.ended.Now)}
	if end.Again() {
		c.refused = fmt.Errorf("cannot roll to generation %d: %s", m.result.Generation, end.Reason)
	}
	return c
}

// giveNotifySocket lets the user of a generation's workers send to the notify socket, and the user
// of the previous generation, whose workers may still drain. If both are the master's own user,
// nothing changes. It uses the ids that the workers run with, because the accounts may be gone by
// now.
func (rs *rolls) giveNotifySocket(to, before *generations.Generation) error {
	if rs.notify == nil || os.Geteuid() != 0 {
		return nil
	}
	uid, gid := to.User()
	also := -1
	if u, g := before.User(); u != uid || g != gid {
		also = g
	}
	if uid != os.Geteuid() || also > 0 {
		if err := control.LetThrough(rs.opts.Places.Runtime); err != nil {
			return err
		}
	}
	return rs.notify.socket.GiveTo(uid, also)
}
