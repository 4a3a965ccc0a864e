package master

import (
	"context"
	"errors"
	"fmt"

	"relevo/internal/announce"
	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/decide"
	"relevo/internal/generations"
	"relevo/internal/launch/store"
	"relevo/pool"
	"relevo/pool/machine"
)

// prepare makes the generation that the task asks for. The loop lets one task prepare at a time: so
// of two reloads, the one that has looked at the file later is the newer roll.
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
		p.bad, p.same = rs.generations.KnownBad(p.generation), rs.generations.Wanted().Same(p.generation)
	}
	return p
}

// keep drops a generation that is the same as the generation asked for last: there is no roll.
func (rs *rolls) keep(g *generations.Generation) control.Wait {
	rs.log.Info("no roll: these bytes are in use")
	rs.generations.Drop(g)
	return func(context.Context) (pool.RollResult, error) { return pool.RollResult{Result: machine.OK}, nil }
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
		announce.Refused(rs.log, "roll refused: the running workers keep serving", "err", err)
		err = rollRefused(err)
	}
	return g, err
}

func (rs *rolls) prepareRollback(to string) (*generations.Generation, error) {
	left := rs.serving()
	status, err := rs.running().Status()
	if err != nil {
		return nil, err
	}
	to = decide.RollbackTo(to, status.Rolling != nil, left.Sum())
	record, err := rs.rollbackTarget(to, left)
	if err != nil {
		return nil, err
	}
	g, err := rs.generations.Prepare(left.App(), record.SHA256)
	if err != nil {
		return nil, rollRefused(err)
	}
	g.BackFrom(left)
	return g, nil
}

func (rs *rolls) rollbackTarget(to string, serving *generations.Generation) (store.Record, error) {
	if to != "" {
		record, err := rs.launcher.Store().Find(to)
		if err != nil {
			return record, control.WithExit(fmt.Errorf("cannot roll back: %w; see relevo releases", err), control.ExitUsage)
		}
		return record, nil
	}
	record, found := rs.generations.LastGood(serving)
	if !found {
		return record, errors.New("cannot roll back: no other good release of this program is kept; see relevo releases")
	}
	return record, nil
}

// learn has the workers of a new generation get ready by their own word if the serving ones did.
func (rs *rolls) learn(g *generations.Generation, o control.ReloadOptions) {
	if rs.serving().Speaks() && !o.Force {
		g.ExpectWord()
	}
}

// load reads the configuration as it is now. Settings that only a start can change keep their
// value.
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
			rs.log.Warn("this change applies when the master is restarted", "key", change.Key, "from", change.Old,
				"to", change.New)
		}
	}
	return config.Reloaded(now, app), nil
}

// look notes which bytes the command's file held at the last look.
func (rs *rolls) look(g *generations.Generation) {
	rs.announcer.Warnings.Set(announce.WatchWarning, "")
	rs.generations.Looked(g)
}
