package generations

import (
	"fmt"
	"slices"
	"time"

	"relevo/internal/announce"
	"relevo/internal/decide"
	"relevo/internal/launch"
	"relevo/internal/launch/store"
	"relevo/internal/phrase"
	"relevo/pool"
)

// Rolled is what a roll to a generation has come to.
func (gs *Generations) Rolled(r pool.RollResult, e *Ended) decide.Rolled {
	end := decide.Rolled{
		Result: r.Result, Blame: r.Blame, Reason: r.Reason, BackFrom: e.Tried.backFrom,
		Watched: gs.Serving().App().WatchBinary,
		Tried:   decide.Release{Fingerprint: e.Tried.fingerprint},
		Serving: decide.Release{Sum: e.From.Sum(), Fingerprint: e.From.fingerprint},
	}
	if r.Release != nil {
		end.Tried.Sum = r.Release.SHA256
	}
	if r.FromRelease != nil {
		end.From = r.FromRelease.SHA256
	}
	end.ServingByHand = gs.o.Launcher.Store().Verdict(end.Serving.Sum).Reason == decide.ByHand
	return end
}

// Judge notes what a roll has shown of releases.
func (gs *Generations) Judge(end decide.Rolled) {
	for _, v := range end.Verdicts() {
		verdict := store.Bad
		if v.Good {
			verdict = store.Good
		}
		gs.mark(v.Sum, verdict, v.Reason, v.Fingerprint)
	}
}

// Started notes that the first generation serves.
func (gs *Generations) Started(first *Generation) {
	gs.mark(first.Sum(), store.Good, "", first.fingerprint)
}

// NotStarted notes why the first generation has not come up.
func (gs *Generations) NotStarted(first *Generation, reason string) {
	gs.mark(first.Sum(), store.Bad, reason, first.fingerprint)
}

func (gs *Generations) mark(sum string, v store.Verdict, reason, fingerprint string) {
	if sum == "" {
		return // it could be run, but not read
	}
	err := gs.o.Launcher.Store().Mark(sum, v, reason, fingerprint)
	gs.mu.Lock()
	told := gs.forgetful
	gs.forgetful = err != nil
	gs.mu.Unlock()
	if err != nil && !told { // once, not at each roll
		gs.o.Log.Warn("cannot remember the verdict on a release", "release", phrase.Hash(sum), "err", err)
	}
}

// KnownBad says why a generation would be expected to fail, empty if it would
// not. Other settings may make the same bytes work, unless a user rolled back from them.
func (gs *Generations) KnownBad(g *Generation) string { return gs.BadReason(g.Info(), g.fingerprint) }

// BadReason is KnownBad of a release with a command.
func (gs *Generations) BadReason(release pool.Info, fingerprint string) string {
	known := gs.o.Launcher.Store().Verdict(release.SHA256)
	if !knownOf(known).Refused(fingerprint) {
		return ""
	}
	return fmt.Sprintf("release %s of %s "+phrase.KnownBad+" (%s, %s)",
		announce.ShortRelease(release), release.Path, known.Reason, known.Judged.Local().Format(time.DateTime))
}

// Known is what is remembered of a generation's release.
func (gs *Generations) Known(g *Generation) decide.Known {
	return knownOf(gs.o.Launcher.Store().Verdict(g.Sum()))
}

// knownOf is what a decision needs of what the store remembers of a release.
func knownOf(r store.Judgement) decide.Known {
	return decide.Known{
		Good: r.Verdict == store.Good, Bad: r.Verdict == store.Bad, Reason: r.Reason, Fingerprint: r.Fingerprint,
	}
}

// LastGood returns the good release of the same program that was used last and is
// kept, other than the one given.
func (gs *Generations) LastGood(but *Generation) (store.Record, bool) {
	records := gs.o.Launcher.Store().List()
	i := slices.IndexFunc(records, func(r store.Record) bool {
		return r.Verdict == store.Good && r.Kept && r.SHA256 != but.Sum() && but.SameProgram(r) && !but.SameBytes(r) &&
			launch.StillThere(r) == nil
	})
	if i < 0 {
		return store.Record{}, false
	}
	return records[i], true
}
