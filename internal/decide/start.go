package decide

// Start says which release a master starts. It is pure: Step returns what to do next.
//
//	newest ─► known to be bad, or does not start ─► the last good one ─► there is none ─► newest, or the end
type Start struct {
	failed bool // the newest release did not start
}

// StartEvent is what was found out about a start.
type StartEvent interface{ startEvent() }

type (
	// NewestPrepared says that the newest release can be started.
	NewestPrepared struct {
		KnownBad bool
		Awaits   bool // another release will come by itself
	}
	// StartFailed says that no worker got ready.
	StartFailed struct{ FailedStart }
	// GoodPrepared says whether there is a last good release that can be started.
	GoodPrepared struct{ Found bool }
)

func (NewestPrepared) startEvent() {}
func (StartFailed) startEvent()    {}
func (GoodPrepared) startEvent()   {}

// StartNext is what to do about a start.
type StartNext string

// What there is to do about a start.
const (
	StartNewest StartNext = "start the newest"
	PrepareGood StartNext = "prepare the last good one"
	StartGood   StartNext = "start the last good one"
	StartEnds   StartNext = "it has failed"
)

// Step returns what to do next.
func (s *Start) Step(e StartEvent) StartNext {
	switch e := e.(type) {
	case NewestPrepared:
		if e.KnownBad && !e.Awaits {
			return PrepareGood
		}
		return StartNewest
	case StartFailed:
		if s.failed = e.FallsBack(); s.failed {
			return PrepareGood
		}
		return StartEnds
	case GoodPrepared:
		switch {
		case e.Found:
			return StartGood
		case s.failed:
			return StartEnds
		}
		return StartNewest // the good one cannot be started, and the newest may start this time
	}
	panic("internal error: decide: an event that a Start does not know")
}
