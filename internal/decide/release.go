package decide

import "relevo/pool/machine"

// ByHand is the reason of the verdict on a release that a user rolled back from.
const ByHand = "rolled back by hand"

// Release is what a verdict is about: bytes, and the command that ran them. Without a sum the
// bytes could be run, but not read.
type Release struct{ Sum, Fingerprint string }

// Verdict is what is to be remembered of a release.
type Verdict struct {
	Release
	Good   bool
	Reason string // of a bad one
}

// Known is what is remembered of a release.
type Known struct {
	Good, Bad   bool
	Reason      string
	Fingerprint string // of the command that it was judged with
}

// Refused says whether bytes are expected to fail with a command. Other settings may make the
// same bytes work, unless a user rolled back from them.
func (k Known) Refused(fingerprint string) bool {
	return k.Bad && (k.Fingerprint == fingerprint || k.Reason == ByHand)
}

// Rolled is a roll that has ended.
type Rolled struct {
	Result   machine.Result
	Blame    machine.Blame
	Reason   string
	Tried    Release // its generation's
	BackFrom Release // what a user rolled back from to it; zero: it is no rollback
	From     string  // sum of the release that it began from, empty where that is not known
	// Serving is what served before, and of which it is remembered that a user rolled back
	// from it where ServingByHand is set.
	Serving       Release
	ServingByHand bool
	Watched       bool // what lies at the path is to be served without a request
}

// Verdicts are what a roll has shown of the releases. Bytes that served before the roll, too,
// are not to blame for its failure.
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
	// A user had rolled back from what serves now, to what has failed since.
	if r.Serving.Sum != "" && r.ServingByHand && !(blamed && r.Serving.Sum == r.Tried.Sum) {
		all = append(all, Verdict{Release: r.Serving, Good: true})
	}
	return all
}

// Again says whether a roll is tried again by itself: one that failed for want of something.
// Other settings than those that serve are not, nor is a rollback.
func (r Rolled) Again() bool {
	return r.Result != machine.OK && r.Blame == machine.BlameMaster && r.Watched &&
		r.Tried.Fingerprint == r.Serving.Fingerprint && r.BackFrom.Sum == ""
}

// FailedStart is a start of which no worker got ready.
type FailedStart struct {
	Blame    machine.Blame
	Sum      string // of what was started
	Known    Known  // of it, before this start
	Waits    bool   // it is waited for something else to start
	FellBack bool   // it was the last good release already
	Stopping bool
}

// FallsBack says whether the last good release gets its turn.
func (f FailedStart) FallsBack() bool {
	switch {
	case f.Waits, f.FellBack, f.Stopping, f.Sum == "":
		return false
	case f.Blame == machine.BlameMaster:
		return false // the program never ran
	case f.Known.Good:
		return false // it has served: what fails now lies outside of it, and an older release is no help
	}
	return true
}

// RollbackTo is the release that a rollback goes to where a user names none: while a roll is
// under way what serves, for what is being rolled in is what nobody wants. Empty: the last
// good one.
func RollbackTo(named string, rolling bool, serving string) string {
	if named == "" && rolling {
		return serving
	}
	return named
}
