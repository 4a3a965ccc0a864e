package decide

import "relevo/pool/machine"

// ByHand is the reason of the verdict on a release that a user rolled back from.
const ByHand = "rolled back by hand"

// Release is what a verdict is about: bytes, and the command that ran them. Sum is empty if the
// bytes could be run, but not read.
type Release struct{ Sum, Fingerprint string }

// Verdict is what is to be recorded about a release.
type Verdict struct {
	Release
	Good   bool
	Reason string // of a bad one
}

// Known is what is recorded about a release.
type Known struct {
	Good, Bad   bool
	Reason      string
	Fingerprint string // of the command that it was judged with
}

// Refused says whether bytes are expected to fail with a command. With other settings the same
// bytes may work, unless a user rolled back from them.
func (k Known) Refused(fingerprint string) bool {
	return k.Bad && (k.Fingerprint == fingerprint || k.Reason == ByHand)
}

// Rolled is a roll that has ended.
type Rolled struct {
	Result   machine.Result
	Blame    machine.Blame
	Reason   string
	Tried    Release // of the roll's generation
	BackFrom Release // what a user rolled back from by this roll; zero: it is no rollback
	From     string  // sum of the release before the roll; empty: it is not known
	// Serving is the release before the roll. ServingByHand: it is recorded that a user once rolled
	// back from it.
	Serving       Release
	ServingByHand bool
	Watched       bool // relevo requested the roll, because the file at the path has changed
}

// Verdicts is what a roll has shown about releases. Bytes that already served before the roll are
// not to blame for its failure.
func (r Rolled) Verdicts() (all []Verdict) {
	if r.Tried.Sum == "" {
		return nil
	}
	switch r.Result {
	case machine.OK:
		all = append(all, Verdict{Release: r.Tried, Good: true})
		if r.BackFrom.Sum != "" {
			all = append(all, Verdict{Release: r.BackFrom, Reason: ByHand})
		}
	case machine.RolledBack, machine.Failed:
		return r.verdictsOfFailure()
	}
	return all
}

func (r Rolled) verdictsOfFailure() (all []Verdict) {
	if r.Blame == machine.BlameMaster || r.Blame == machine.BlameRequest {
		return nil // the program never ran, or has shown nothing
	}
	blamed := r.From != r.Tried.Sum
	if blamed {
		all = append(all, Verdict{Release: r.Tried, Reason: r.Reason})
	}
	// A user had rolled back from the serving release to one that has failed since.
	if r.Serving.Sum != "" && r.ServingByHand && !(blamed && r.Serving.Sum == r.Tried.Sum) {
		all = append(all, Verdict{Release: r.Serving, Good: true})
	}
	return all
}

// Again says whether relevo tries a roll again by itself: one that failed because of a shortage. It
// does so only with the settings that serve, and never for a rollback.
func (r Rolled) Again() bool {
	return r.Result != machine.OK && r.Blame == machine.BlameMaster && r.Watched &&
		r.Tried.Fingerprint == r.Serving.Fingerprint && r.BackFrom.Sum == ""
}

// FailedStart is a start after which no worker got ready.
type FailedStart struct {
	Blame    machine.Blame
	Sum      string // of the release that was started
	Known    Known  // about that release, before this start
	Waits    bool   // the master waits for another release to start
	FellBack bool   // it was the last good release already
	Stopping bool
}

// FallsBack says whether to start the last good release instead.
func (f FailedStart) FallsBack() bool {
	switch {
	case f.Waits, f.FellBack, f.Stopping, f.Sum == "":
		return false
	case f.Blame == machine.BlameMaster:
		return false // the program never ran
	case f.Known.Good:
		return false // it has served before: the cause lies outside of it, and an older release would not help
	}
	return true
}

// RollbackTo is the release to roll back to if the user names none: during a roll the serving one,
// because the new one is what the user wants to leave. Empty: the last good one.
func RollbackTo(named string, rolling bool, serving string) string {
	if named == "" && rolling {
		return serving
	}
	return named
}
