package decide

// Stage is how far a master has come. It is owned by the master's loop, and is pure: Step returns
// what follows from what has happened.
//
//	starts ──► serves ──► stopping
//	 │  ▲                 ▲
//	 ▼  │                 │
//	waits ────────────────┘
type Stage struct {
	Waits    bool // for something to start
	Stopping bool // a stop was requested
	FellBack bool // the newest release did not start
	Served   bool // a worker has served
}

// StageEvent is something that has happened.
type StageEvent string

// The events of a stage. There are no others.
const (
	WaitBegins StageEvent = "a wait begins" // for something to start
	WaitEnds   StageEvent = "the wait ends"
	FallsBack  StageEvent = "the newest release did not start"
	Serves     StageEvent = "workers serve"
	StopAsked  StageEvent = "a stop is asked for"
	PoolAsked  StageEvent = "something else is asked of the pool"
	NotRunning StageEvent = "the pool that was to stop does not run"
)

// StageNext is what follows from an event; empty: nothing does.
type StageNext string

// What may follow from the events of a stage.
const (
	EndTheWait   StageNext = "end the wait"
	AskPool      StageNext = "ask the pool"
	RefuseToAsk  StageNext = "refuse: nothing has started yet"
	FirstServes  StageNext = "the start is over"
	StopIsNoted  StageNext = "the next start finds that it is not wanted"
	StopIsNoNews StageNext = "tell that nothing runs"
)

// Step returns what follows from an event.
func (s *Stage) Step(e StageEvent) (next StageNext) {
	switch e {
	case WaitBegins:
		if s.Waits = true; s.Stopping {
			return EndTheWait
		}
	case WaitEnds:
		s.Waits = false
	case FallsBack:
		s.FellBack = true
	case Serves:
		if !s.Served {
			next = FirstServes
		}
		s.Served = true
	case StopAsked:
		if s.Stopping = true; s.Waits {
			return EndTheWait
		}
		return AskPool
	case PoolAsked:
		if s.Waits {
			return RefuseToAsk
		}
		return AskPool
	case NotRunning:
		if !s.Served {
			return StopIsNoted
		}
		return StopIsNoNews
	default:
		panic("internal error: decide: an event that a Stage does not know")
	}
	return next
}

// Between says whether another pool may follow the one that has ended: a start has failed, and
// another release may be started.
func (s Stage) Between() bool { return !s.Served && !s.Stopping }
