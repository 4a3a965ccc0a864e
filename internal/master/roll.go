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

// roll hands a generation to the pool. The new patience counts from now on, for a
// slow start may be what it was changed for; a roll that fails brings the old one
// back.
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
		return nil, err // it stops
	}
	if pending.Asleep() {
		return rs.rollAsleep(pending, t.kind)
	}
	return rs.waitFor(pending), nil
}

// cause is what the starts of the roll's workers are counted as.
func (t task) cause() machine.Cause {
	if t.cron {
		return machine.CauseCron
	}
	return machine.CauseRoll
}

// rolled follows the steps of each roll: to is its generation, from the one that
// served before. The pool calls it from its loop.
func (rs *rolls) rolled(step pool.Step, r pool.RollResult, to, from pool.Release) {
	ended := rs.generations.Follow(step, r.Result, to, from)
	if ended == nil {
		return
	}
	// A caller that waits for the roll waits for what follows from it, too.
	rs.box.post(rollEnded{r, ended})
}

// conclude does what follows from a roll that has ended.
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

// giveNotifySocket lets the workers of a generation's user send to the notify socket, and those
// of the generation before, which may be at work for as long as they drain. Where they are the
// master's own nothing changes. Their accounts may be gone by now: what counts is what the
// workers run as.
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
