package master

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"relevo/internal/announce"
	"relevo/internal/background"
	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/generations"
	"relevo/pool"
	"relevo/pool/machine"
)

// rolls begins rolls, and does what follows from their ends.
type rolls struct {
	*core
	box     mailbox              // of the loop
	changed background.Broadcast // what serves is another generation
	applied applied
}

// plain are the options of a reload that no person has asked for.
var plain control.ReloadOptions

// Reload reads the configuration and rolls to what its command's file holds now:
// control.Master.
func (p *replacement) Reload(o control.ReloadOptions) (control.Wait, error) {
	if p.unready() {
		return nil, errWaiting
	}
	if p.upgradeFirst("") {
		return nil, control.HandedOver(0) // whoever asks asks the next master again
	}
	wait, err := p.reload(o)
	if err != nil && !errors.Is(err, pool.ErrNotRunning) {
		p.systemd.Status("reload failed, the old workers serve on: " + err.Error())
	}
	return wait, err
}

func (rs *rolls) reload(o control.ReloadOptions) (control.Wait, error) {
	trial, err := generations.ParseTrial(o.Canary, o.Share)
	if err != nil {
		return nil, control.WithExit(err, control.ExitUsage)
	}
	a := rs.box.ask(task{kind: reloading, reload: o, trial: trial})
	return a.wait, a.err
}

// rollAgain rolls to what the command's file holds now, with the configuration
// that was asked for last.
func (rs *rolls) rollAgain() (control.Wait, error) {
	a := rs.box.ask(task{kind: again})
	return a.wait, a.err
}

// prepare makes the generation that work asks for. The loop has one prepared at a time: of two
// reloads the one that has looked at the file later is the newer roll.
func (rs *rolls) prepare(t task) (p prepared) {
	switch t.kind {
	case reloading:
		p.generation, p.err = rs.prepareReload(t)
	case again:
		p.generation, p.err = rs.generations.Prepare(rs.generations.Wanted().App(), "")
	case rollingBack:
		p.generation, p.err = rs.prepareRollback(t.to)
	}
	if p.err == nil && t.kind.looks() {
		rs.learn(p.generation, t.reload)
		p.bad = rs.generations.KnownBad(p.generation)
	}
	return p
}

func (rs *rolls) prepareReload(t task) (*generations.Generation, error) {
	app, err := rs.load()
	if err != nil {
		announce.Refused(rs.log, "reload refused: the running configuration stays", "err", err)
		return nil, configRefused(err)
	}
	if err := t.trial.Fits(app); err != nil {
		return nil, control.WithExit(err, control.ExitUsage)
	}
	g, err := rs.generations.Prepare(app, "")
	switch {
	case err == nil:
		g.Try(t.trial)
	case !errors.Is(err, pool.ErrHandedOver):
		announce.Refused(rs.log, "roll refused: the running workers serve on", "err", err)
		err = rollRefused(err)
	}
	return g, err
}

// learn has the workers of a new generation get ready in the way of those that serve.
func (rs *rolls) learn(g *generations.Generation, o control.ReloadOptions) {
	if rs.serving().Speaks() && !o.Force {
		g.ExpectWord()
	}
}

// refuseBad does not roll to a generation whose bytes are known to be bad. It applies what it can
// of its configuration, and says what it could not.
func (rs *rolls) refuseBad(g *generations.Generation, reason string) error {
	err := rs.applyLive(g.App(), reason)
	announce.Refused(rs.log, "roll refused: the running workers serve on", "err", err)
	rs.generations.Drop(g)
	return rollRefused(err)
}

func (rs *rolls) applyLive(app config.App, reason string) error {
	before, now := rs.generations.SetLive(app)
	err := fmt.Errorf("%s; relevo reload --force tries them again, other bytes in their place are rolled to", reason)
	if changes := config.Diff(before, now); len(changes) > 0 {
		rs.afterRoll(now)
		err = fmt.Errorf("%w\n  applied without a roll: %s", err, listed(changes))
	}
	if changes := slices.DeleteFunc(config.Diff(now, app), func(c config.Change) bool {
		return c.Applies == config.Restart
	}); len(changes) > 0 {
		err = fmt.Errorf("%w\n  waits for new workers: %s", err, listed(changes))
	}
	return err
}

func listed(changes []config.Change) string {
	var all []string
	for _, c := range changes {
		all = append(all, c.String())
	}
	return strings.Join(all, ", ")
}

func rollRefused(err error) error {
	return &control.Refusal{Err: control.WithExit(fmt.Errorf("cannot roll: %w", err), control.ExitRollFailed),
		Stays: "the running workers serve on"}
}

func configRefused(err error) error {
	return &control.Refusal{Err: control.WithExit(err, control.ExitConfig), Stays: "the running configuration stays"}
}

// load reads the configuration as it is now. What only a start can change keeps
// its value.
func (rs *rolls) load() (config.App, error) {
	now := rs.app()
	if rs.opts.Load == nil {
		return now, nil
	}
	app, err := rs.opts.Load()
	if err != nil {
		return app, err
	}
	for _, change := range config.Diff(now, app) {
		if change.Applies == config.Restart {
			rs.log.Warn("this change applies when the master starts anew", "key", change.Key, "from", change.Old,
				"to", change.New)
		}
	}
	app.Name, app.Output, app.Logs = now.Name, now.Output, now.Logs
	app.LogFormat, app.LogLevel = now.LogFormat, now.LogLevel
	return app, nil
}

// roll hands a generation to the pool. The new patience counts from now on, for a
// slow start may be what it was changed for; a roll that fails brings the old one
// back.
func (rs *rolls) roll(g *generations.Generation, kind kindOfTask) (control.Wait, error) {
	err := rs.giveNotifySocket(g, rs.serving())
	if err == nil {
		err = rs.running().Configure(g.Patience())
	}
	if err != nil {
		rs.generations.Drop(g)
		return nil, err
	}
	rs.generations.Want(g)
	pending, err := rs.running().BeginRoll(g)
	if err != nil {
		return nil, err // it stops
	}
	if pending.Asleep() {
		return rs.rollAsleep(pending, kind)
	}
	return rs.waitFor(pending), nil
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
	return rs.notify.GiveTo(uid, also)
}

// look notes which bytes the command's file held when it was looked at last.
func (rs *rolls) look(g *generations.Generation) {
	rs.announcer.Warnings.Set(announce.WatchWarning, "")
	rs.generations.Looked(g)
}
