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

// Rolled describes the result of a roll to a generation.
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

// Judge records what a roll has shown about releases.
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

// NotStarted records why the first generation did not start.
func (gs *Generations) NotStarted(first *Generation, reason string) {
	gs.mark(first.Sum(), store.Bad, reason, first.fingerprint)
}

func (gs *Generations) mark(sum string, v store.Verdict, reason, fingerprint string) {
	if sum == "" {
		return // the bytes could be run, but not read
	}
	err := gs.o.Launcher.Store().Mark(sum, v, reason, fingerprint)
	gs.mu.Lock()
	told := gs.forgetful
	gs.forgetful = err != nil
	gs.mu.Unlock()
	if err != nil && !told { // warn once, not at each roll
		gs.o.Log.Warn("cannot remember the verdict on a release", "release", phrase.Hash(sum), "err", err)
	}
}

// KnownBad returns why a generation is expected to fail; empty: it is not. With other settings the
// same bytes may work, unless a user rolled back from them.
func (gs *Generations) KnownBad(g *Generation) string { return gs.BadReason(g.Info(), g.fingerprint) }

// BadReason is KnownBad for a release and a command.
func (gs *Generations) BadReason(release pool.Info, fingerprint string) string {
	known := gs.o.Launcher.Store().Verdict(release.SHA256)
	if !knownOf(known).Refused(fingerprint) {
		return ""
	}
	return fmt.Sprintf("release %s of %s "+phrase.KnownBad+" (%s, %s)",
		announce.ShortRelease(release), release.Path, known.Reason, known.Judged.Local().Format(time.DateTime))
}

// Known is what is recorded about a generation's release.
func (gs *Generations) Known(g *Generation) decide.Known {
	return knownOf(gs.o.Launcher.Store().Verdict(g.Sum()))
}

// knownOf converts a record of the store for a decision.
func knownOf(r store.Judgement) decide.Known {
	return decide.Known{
		Good: r.Verdict == store.Good, Bad: r.Verdict == store.Bad, Reason: r.Reason, Fingerprint: r.Fingerprint,
	}
}

// LastGood returns the good release of the same program that was used last and is kept, other than
// the given one.
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
