package master

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"relevo/internal/announce"
	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/decide"
	"relevo/internal/launch"
	"relevo/internal/launch/store"
	"relevo/internal/phrase"
	"relevo/pool"
	"relevo/pool/machine"
)

// rolledFrom is what a roll to a generation has come to, from what served before.
func (m *Master) rolledFrom(r pool.RollResult, tried, before *generation) decide.Rolled {
	end := decide.Rolled{
		Result: r.Result, Blame: r.Blame, Reason: r.Reason, BackFrom: tried.backFrom, Watched: m.app().WatchBinary,
		Tried:   decide.Release{Fingerprint: tried.fingerprint},
		Serving: decide.Release{Sum: before.Info().SHA256, Fingerprint: before.fingerprint},
	}
	if r.Release != nil {
		end.Tried.Sum = r.Release.SHA256
	}
	if r.FromRelease != nil {
		end.From = r.FromRelease.SHA256
	}
	end.ServingByHand = m.launcher.Store().Verdict(end.Serving.Sum).Reason == decide.ByHand
	return end
}

// judge notes what a roll has shown of releases.
func (m *Master) judge(end decide.Rolled) {
	for _, v := range end.Verdicts() {
		verdict := store.Bad
		if v.Good {
			verdict = store.Good
		}
		m.mark(v.Sum, verdict, v.Reason, v.Fingerprint)
	}
	if end.Result == machine.OK && end.Tried.Sum != "" {
		m.announcer.Warnings.Set(announce.ReleaseWarning, "")
	}
}

func (m *Master) mark(sum string, v store.Verdict, reason, fingerprint string) {
	if sum == "" {
		return // it could be run, but not read
	}
	err := m.launcher.Store().Mark(sum, v, reason, fingerprint)
	if told := m.forgetful.Swap(err != nil); err != nil && !told { // once, not at each roll
		m.log.Warn("cannot remember the verdict on a release", "release", phrase.Hash(sum), "err", err)
	}
}

// knownBad says why a generation would be expected to fail, empty if it would
// not. Other settings may make the same bytes work, save where somebody has said
// that he does not want them.
func (m *Master) knownBad(g *generation) string {
	return m.badReason(g.Info(), g.fingerprint)
}

func (m *Master) badReason(release pool.Info, fingerprint string) string {
	known := m.launcher.Store().Verdict(release.SHA256)
	if !knownOf(known).Refused(fingerprint) {
		return ""
	}
	return fmt.Sprintf("release %s of %s is known to be bad (%s, %s)",
		announce.ShortRelease(release), release.Path, known.Reason, known.Judged.Local().Format(time.DateTime))
}

// knownOf is what a decision needs of what the store remembers of a release.
func knownOf(r store.Judgement) decide.Known {
	return decide.Known{
		Good: r.Verdict == store.Good, Bad: r.Verdict == store.Bad, Reason: r.Reason, Fingerprint: r.Fingerprint,
	}
}

// lastGood returns the good release of the same program that was used last and is
// kept, other than the one given.
func (m *Master) lastGood(but *generation) (store.Record, bool) {
	records := m.launcher.Store().List()
	i := slices.IndexFunc(records, func(r store.Record) bool {
		return r.Verdict == store.Good && r.Kept && r.SHA256 != but.Info().SHA256 && but.SameProgram(r) &&
			!but.SameBytes(r) &&
			launch.StillThere(r) == nil
	})
	if i < 0 {
		return store.Record{}, false
	}
	return records[i], true
}

// Rollback rolls to a kept release: control.Master. The one it leaves is not
// gone to again by itself.
func (m *Master) Rollback(to string) (control.Wait, error) {
	if m.unready() {
		return nil, errWaiting
	}
	m.preparing.Lock()
	defer m.preparing.Unlock()
	m.after.wait(context.Background())
	left := m.serving()
	status, err := m.running().Status()
	if err != nil {
		return nil, err
	}
	to = decide.RollbackTo(to, status.Rolling != nil, left.Info().SHA256)
	record, err := m.rollbackTarget(to, left)
	if err != nil {
		return nil, err
	}
	g, err := m.prepare(m.appOf(left), record.SHA256)
	if err != nil {
		return nil, rollRefused(err)
	}
	// Only when it is left for good: a way back that fails leaves it serving.
	if sum := left.Info().SHA256; sum != record.SHA256 {
		g.backFrom = decide.Release{Sum: sum, Fingerprint: left.fingerprint}
	}
	return m.roll(g)
}

func (m *Master) rollbackTarget(to string, serving *generation) (store.Record, error) {
	if to != "" {
		record, err := m.launcher.Store().Find(to)
		if err != nil {
			return record, control.WithExit(fmt.Errorf("cannot roll back: %w; see relevo releases", err), control.ExitUsage)
		}
		return record, nil
	}
	record, found := m.lastGood(serving)
	if !found {
		return record, errors.New("cannot roll back: no other good release of this program is kept; see relevo releases")
	}
	return record, nil
}

// Releases lists what is known of releases: control.Master.
func (m *Master) Releases() (control.Releases, error) {
	if m.unready() {
		return control.Releases{}, errWaiting
	}
	m.after.wait(context.Background())
	out := control.Releases{Releases: []control.Release{}}
	serving := m.serving().Info().SHA256
	for _, r := range m.launcher.Store().List() {
		out.Releases = append(out.Releases, control.Release{
			SHA256: r.SHA256, Name: r.Name, Version: r.Version, Directory: r.Directory(), Size: r.Size, FirstUsed: r.FirstUsed,
			LastUsed: r.LastUsed,
			Verdict:  string(r.Verdict), Reason: r.Reason, Kept: r.Kept, Serving: r.SHA256 == serving,
		})
	}
	return out, nil
}

// Prune removes the copies that nobody uses: control.Master.
func (m *Master) Prune() (control.Pruned, error) {
	if m.unready() {
		return control.Pruned{}, errWaiting
	}
	m.after.wait(context.Background()) // what served last is known as good then
	pruned, err := m.launcher.Store().Prune()
	return control.Pruned(pruned), err
}

// Plan says what a reload would change: control.Master.
func (m *Master) Plan() (control.Plan, error) {
	if m.unready() {
		return control.Plan{}, errWaiting
	}
	m.after.wait(context.Background())
	now := m.serving()
	plan := control.Plan{Changes: []config.Change{}, Running: now.Info()}
	serving := m.appOf(now)
	app := serving
	if m.opts.Load != nil {
		var err error
		if app, err = m.opts.Load(); err != nil {
			return plan, control.WithExit(fmt.Errorf("%w\n  the running configuration stays", err), control.ExitConfig)
		}
	}
	plan.Changes = append(plan.Changes, config.Diff(serving, app)...)
	command := m.command(app, now.sockets)
	command.Listeners = nil
	for _, l := range app.Listen {
		command.Listeners = append(command.Listeners, launch.Listener{Name: l.Name})
	}
	next, err := m.launcher.Look(command)
	if err != nil {
		return plan, rollRefused(err)
	}
	plan.Next = next
	plan.Refused = m.badReason(next, command.Fingerprint())
	return plan, nil
}
