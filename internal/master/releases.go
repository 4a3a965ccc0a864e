package master

import (
	"context"

	"relevo/internal/config"
	"relevo/internal/control"
)

// Rollback rolls to a kept release: control.Master. The release that it leaves is marked, so that
// relevo does not roll to it again without being asked.
func (q *requests) Rollback(to string) (control.Wait, error) {
	if q.unready() {
		return nil, errWaiting
	}
	a := q.box.ask(task{kind: rollingBack, to: to})
	return a.wait, a.err
}

// Releases lists what is known of releases: control.Master.
func (q *requests) Releases() (control.Releases, error) {
	if q.unready() {
		return control.Releases{}, errWaiting
	}
	q.box.settled(context.Background())
	out := control.Releases{Releases: []control.Release{}}
	serving := q.serving().Sum()
	for _, r := range q.launcher.Store().List() {
		out.Releases = append(out.Releases, control.Release{
			SHA256: r.SHA256, Name: r.Name, Version: r.Version, Directory: r.Directory(), Size: r.Size, FirstUsed: r.FirstUsed,
			LastUsed: r.LastUsed,
			Verdict:  string(r.Verdict), Reason: r.Reason, Kept: r.Kept, Serving: r.SHA256 == serving,
		})
	}
	return out, nil
}

// Prune removes the copies that are not in use: control.Master.
func (q *requests) Prune() (control.Pruned, error) {
	if q.unready() {
		return control.Pruned{}, errWaiting
	}
	q.box.settled(context.Background()) // by then the release that served last is known to be good
	pruned, err := q.launcher.Store().Prune()
	return control.Pruned(pruned), err
}

// Plan says what a reload would change: control.Master.
func (q *requests) Plan() (control.Plan, error) {
	if q.unready() {
		return control.Plan{}, errWaiting
	}
	q.box.settled(context.Background())
	now := q.serving()
	plan := control.Plan{Changes: []config.Change{}, Running: now.Info()}
	serving := now.App()
	app := serving
	if q.opts.Load != nil {
		var err error
		if app, err = q.opts.Load(); err != nil {
			return plan, configRefused(err)
		}
	}
	plan.Changes = append(plan.Changes, config.Diff(serving, app)...)
	var err error
	if plan.Next, plan.Refused, err = q.generations.Look(app); err != nil {
		return plan, rollRefused(err)
	}
	return plan, nil
}
