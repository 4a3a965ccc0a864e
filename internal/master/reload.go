package master

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"relevo/internal/announce"
	"relevo/internal/background"
	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/generations"
	"relevo/internal/launch"
	"relevo/pool"
	"relevo/pool/machine"
)

// rolls begins rolls, and does what follows from their ends.
type rolls struct {
	*core
	queue   chan rollRequest // from signals and the watch
	retry   background.Retry
	changed background.Broadcast // what serves is another generation
	after   background.Sequence  // what the ends of rolls have set off

	// preparing is held while a generation is prepared and handed to the pool: of
	// two reloads the one that has looked at the file later is the newer roll.
	preparing sync.Mutex
}

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
	asked, err := generations.ParseTrial(o.Canary, o.Share)
	if err != nil {
		return nil, control.WithExit(err, control.ExitUsage)
	}
	rs.preparing.Lock()
	defer rs.preparing.Unlock()
	rs.after.Wait(context.Background()) // the verdict on what was tried last
	app, err := rs.load()
	if err != nil {
		announce.Refused(rs.log, "reload refused: the running configuration stays", "err", err)
		return nil, control.WithExit(fmt.Errorf("%w\n  the running configuration stays", err), control.ExitConfig)
	}
	if err := asked.Fits(app); err != nil {
		return nil, control.WithExit(err, control.ExitUsage)
	}
	g, err := rs.generations.Prepare(app, "")
	if errors.Is(err, pool.ErrHandedOver) {
		return nil, err
	}
	if err != nil {
		announce.Refused(rs.log, "roll refused: the running workers serve on", "err", err)
		return nil, rollRefused(err)
	}
	rs.learn(g, o)
	g.Try(asked)
	return rs.rollTo(g, app, o)
}

// learn has the workers of a new generation get ready in the way of those that serve.
func (rs *rolls) learn(g *generations.Generation, o control.ReloadOptions) {
	if rs.serving().Speaks() && !o.Force {
		g.ExpectWord()
	}
}

// rollAgain rolls to what the command's file holds now, with the configuration
// that was asked for last.
func (rs *rolls) rollAgain() (control.Wait, error) {
	rs.preparing.Lock()
	defer rs.preparing.Unlock()
	app := rs.generations.Wanted().App()
	g, err := rs.generations.Prepare(app, "")
	if errors.Is(err, pool.ErrHandedOver) {
		return nil, err
	}
	if err != nil {
		rs.tryLater(err)
		return nil, rollRefused(err)
	}
	rs.learn(g, control.ReloadOptions{})
	return rs.rollTo(g, app, control.ReloadOptions{})
}

// rollTo rolls to what the command's file holds, prepared with an app.
func (rs *rolls) rollTo(g *generations.Generation, app config.App, o control.ReloadOptions) (control.Wait, error) {
	rs.looked(g)
	if reason := rs.generations.KnownBad(g); reason != "" && !o.Force {
		err := rs.refuseBad(app, reason)
		announce.Refused(rs.log, "roll refused: the running workers serve on", "err", err)
		rs.generations.Drop(g)
		return nil, rollRefused(err)
	}
	return rs.roll(g)
}

// refuseBad applies what it can of an app whose bytes are known to be bad, and says
// what it could not.
func (rs *rolls) refuseBad(app config.App, reason string) error {
	before, now := rs.generations.SetLive(app)
	err := fmt.Errorf("%s; relevo reload --force tries them again, other bytes in their place are rolled to", reason)
	if changes := config.Diff(before, now); len(changes) > 0 {
		rs.afterRoll(before, now)
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
	return control.WithExit(fmt.Errorf("cannot roll: %w\n  the running workers serve on", err), control.ExitRollFailed)
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
func (rs *rolls) roll(g *generations.Generation) (control.Wait, error) {
	err := rs.giveNotifySocket(g.App(), rs.app())
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
			err = rs.after.Wait(ctx)
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
	// The rest asks the pool, whose loop this is. A caller that waits for the roll waits
	// for it, too.
	rs.after.Run(func() {
		end := rs.generations.Rolled(r, ended)
		rs.generations.Judge(end)
		if end.Result == machine.OK && end.Tried.Sum != "" {
			rs.announcer.Warnings.Set(announce.ReleaseWarning, "")
		}
		rs.tryShortRoll(end, r.Generation)
		rs.announcer.Forgive(r)
		rs.afterRoll(ended.Before, ended.Now)
	})
}

// afterRoll applies what is not a generation's own.
func (rs *rolls) afterRoll(before, now config.App) {
	rs.report(rs.giveNotifySocket(now, before))
	p := rs.running()
	if err := p.Configure(generations.Patience(now)); err != nil {
		return // it stops
	}
	if wanted := now.WorkerRange(); wanted != before.WorkerRange() {
		if _, _, err := p.Resize(func(n int) (int, error) { return wanted.Fit(n), nil }); err != nil {
			rs.log.Error("not resized", "err", err)
		}
	}
	rs.launcher.Store().SetKeep(now.KeepReleases)
	rs.changed.Set()
}

// giveNotifySocket lets the workers of a configuration's user send to the notify
// socket, and those of the configuration before, which may be at work for as long
// as they drain. Where they are the master's own nothing changes.
func (rs *rolls) giveNotifySocket(app, before config.App) error {
	if rs.notify == nil || os.Geteuid() != 0 {
		return nil
	}
	uid, _, err := userOf(app)
	if err != nil {
		return err
	}
	also := -1
	if app.Limits.User != before.Limits.User || app.Limits.Group != before.Limits.Group {
		// A user that is gone has been told of when it was asked for.
		if _, gid, err := userOf(before); err == nil {
			also = gid
		}
	}
	if uid != os.Geteuid() || also > 0 {
		if err := control.LetThrough(rs.opts.Places.Runtime); err != nil {
			return err
		}
	}
	return rs.notify.GiveTo(uid, also)
}

// userOf is whom the workers of a configuration run as.
func userOf(app config.App) (uid, gid int, err error) {
	account, err := launch.LookUpUser(app.Limits.User, app.Limits.Group)
	if err != nil || account == nil {
		return os.Geteuid(), os.Getegid(), err
	}
	return account.UID, account.GID, nil
}

// looked notes which bytes the command's file held when it was looked at last.
func (rs *rolls) looked(g *generations.Generation) {
	rs.retry.Stop()
	rs.announcer.Warnings.Set(announce.WatchWarning, "")
	rs.generations.Looked(g)
}
