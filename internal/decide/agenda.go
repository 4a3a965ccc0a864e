package decide

import "time"

// request is a roll that nobody waits for. A reload reads the configuration, and a plain roll does
// not: of each kind one waits at most, for a further one would change nothing that it does not.
// Neither does for the other, for a configuration that cannot be read refuses a reload alone.
type request struct {
	number int
	reload bool
}

// Agenda says what a master does next. It is owned by the master's loop, and is pure: Step
// returns what follows from what has arrived. What is done outside of the loop has a number, with
// which its result comes back.
//
//	work     prepares a generation, or needs that none is prepared: one at a time, in the
//	         order of the requests, when all that follows from ended rolls is done
//	end      what follows from a roll that has ended: one at a time, in the order of the rolls
//	wait     for what follows from the rolls that have ended before it
//	request  a roll that nobody waits for: one is begun at a time, one of each kind waits
//	retry    a roll that was refused is asked for again, each time after a longer wait
type Agenda struct {
	work     []int // the first one is under way where working says so
	working  bool
	ends     []int         // the first one is under way
	waits    map[int][]int // by the end that they wait for
	requests []request
	begun    int // the request that is being begun; 0: none
	begins   bool
	timers   int // how many were started
	timer    int // the one that runs; 0: none
	wait     time.Duration
	over     bool // nothing is tried again any more
}

// Event is something that has arrived.
type Event interface{ event() }

type (
	WorkAsked    struct{ Number int }
	WorkDone     struct{ Number int } // an answer was found, and no generation is prepared any more
	RollEnded    struct{ Number int }
	Concluded    struct{ Number int } // all that follows from an ended roll is done
	WaitAsked    struct{ Number int } // for all that follows from ended rolls
	RequestAsked struct {             // a roll that nobody waits for
		Number int
		Reload bool // with the configuration as it is then
	}
	RequestBegun struct{ Number int } // or refused
	Begins       struct{ Now bool }   // whether requests are begun
	Refused      struct{}             // what was asked for is to be tried again
	TimerRang    struct{ Number int } // of StartTimer
	Looked       struct{}             // at the bytes that are there now: what was refused is no matter any more
	Changed      struct{}             // the bytes have: what was refused before them does not count
	Over         struct{}             // the app has ended
)

func (WorkAsked) event()    {}
func (WorkDone) event()     {}
func (RollEnded) event()    {}
func (Concluded) event()    {}
func (WaitAsked) event()    {}
func (RequestAsked) event() {}
func (RequestBegun) event() {}
func (Begins) event()       {}
func (Refused) event()      {}
func (TimerRang) event()    {}
func (Looked) event()       {}
func (Changed) event()      {}
func (Over) event()         {}

// Effect is something to do.
type Effect interface{ effect() }

type (
	BeginWork    struct{ Number int }
	Conclude     struct{ Number int }
	EndWait      struct{ Number int }
	BeginRequest struct{ Number int }
	DropRequest  struct{ Number int }
	StartTimer   struct { // in the place of the one that runs
		Number int
		Wait   time.Duration
	}
	StopTimer struct{}
	AskAgain  struct{} // for what was refused
)

func (BeginWork) effect()    {}
func (Conclude) effect()     {}
func (EndWait) effect()      {}
func (BeginRequest) effect() {}
func (DropRequest) effect()  {}
func (StartTimer) effect()   {}
func (StopTimer) effect()    {}
func (AskAgain) effect()     {}

// Step returns what follows from an event. The number of a result that is not waited for, or
// no more, changes nothing.
func (a *Agenda) Step(e Event) []Effect {
	switch e := e.(type) {
	case WorkAsked:
		a.work = append(a.work, e.Number)
		return a.nextWork()
	case WorkDone:
		return a.workDone(e.Number)
	case RollEnded:
		return a.rollEnded(e.Number)
	case Concluded:
		return a.concluded(e.Number)
	case WaitAsked:
		return a.waitAsked(e.Number)
	case RequestAsked:
		return a.requestAsked(request{e.Number, e.Reload})
	case RequestBegun:
		if e.Number == a.begun {
			a.begun = 0
		}
		return a.nextRequest()
	case Begins:
		a.begins = e.Now
		return a.nextRequest()
	}
	return a.retry(e)
}

// Works says whether the result of work is still waited for.
func (a *Agenda) Works(number int) bool { return a.working && a.work[0] == number }

func (a *Agenda) workDone(number int) []Effect {
	if !a.Works(number) {
		return nil
	}
	a.work, a.working = a.work[1:], false
	return a.nextWork()
}

func (a *Agenda) nextWork() []Effect {
	if a.working || len(a.work) == 0 || len(a.ends) > 0 {
		return nil
	}
	a.working = true
	return []Effect{BeginWork{a.work[0]}}
}

func (a *Agenda) rollEnded(number int) []Effect {
	if a.ends = append(a.ends, number); len(a.ends) > 1 {
		return nil
	}
	return []Effect{Conclude{number}}
}

func (a *Agenda) concluded(number int) (all []Effect) {
	if len(a.ends) == 0 || a.ends[0] != number {
		return nil
	}
	a.ends = a.ends[1:]
	for _, wait := range a.waits[number] {
		all = append(all, EndWait{wait})
	}
	delete(a.waits, number)
	if len(a.ends) > 0 {
		return append(all, Conclude{a.ends[0]})
	}
	return append(all, a.nextWork()...)
}

func (a *Agenda) waitAsked(number int) []Effect {
	if len(a.ends) == 0 {
		return []Effect{EndWait{number}}
	}
	if a.waits == nil {
		a.waits = map[int][]int{}
	}
	last := a.ends[len(a.ends)-1]
	a.waits[last] = append(a.waits[last], number)
	return nil
}

func (a *Agenda) requestAsked(r request) []Effect {
	for _, waits := range a.requests {
		if waits.reload == r.reload {
			return []Effect{DropRequest{r.number}}
		}
	}
	a.requests = append(a.requests, r)
	return a.nextRequest()
}

func (a *Agenda) nextRequest() []Effect {
	if !a.begins || a.begun != 0 || len(a.requests) == 0 {
		return nil
	}
	a.begun, a.requests = a.requests[0].number, a.requests[1:]
	return []Effect{BeginRequest{a.begun}}
}

// retry does what concerns rolls that were refused.
func (a *Agenda) retry(e Event) []Effect {
	switch e := e.(type) {
	case Refused:
		if a.over {
			return nil
		}
		a.wait = NextWait(a.wait)
		a.timers++
		a.timer = a.timers
		return []Effect{StartTimer{a.timer, a.wait}}
	case TimerRang:
		if e.Number != a.timer {
			return nil // it rang while it was stopped
		}
		a.timer = 0
		return []Effect{AskAgain{}}
	case Changed:
		a.wait = 0
	case Over:
		a.wait, a.over = 0, true
	case Looked:
	default:
		panic("internal error: decide: an event that Step does not know")
	}
	if a.timer == 0 {
		return nil
	}
	a.timer = 0
	return []Effect{StopTimer{}}
}

// Prepared is what came of preparing a generation.
type Prepared struct {
	Late     bool // nobody waits for it any more
	Failed   bool
	Left     bool // because another master goes on
	Watched  bool // nobody has asked: what lies at the path is to be served
	Same     bool // it is the same as what is wanted already, and only a change is to be rolled to
	KnownBad bool
	Forced   bool // a user wants it in spite of that
}

// Next is what to do with a generation.
type Next int

const (
	NextRoll   Next = iota // roll to it
	NextRefuse             // tell why not, and apply what needs no roll
	NextKeep               // close it, because what is wanted is the same
	NextAnswer             // tell the error
	NextAgain              // the same, and try again later
	NextDrop               // close it, and tell nobody
)

// Next decides what to do with it.
func (p Prepared) Next() Next {
	switch {
	case p.Late:
		return NextDrop
	case p.Failed && p.Watched && !p.Left:
		return NextAgain
	case p.Failed:
		return NextAnswer
	case p.Same:
		return NextKeep
	case p.KnownBad && !p.Forced:
		return NextRefuse
	}
	return NextRoll
}

// Bytes are those that a watch has found at the path of what serves.
type Bytes struct {
	Looked   bool // they were looked at before, by a reload or a start
	KnownBad bool
}

// Roll says whether they are rolled to. Those that a signal or a command has rolled to, or tried
// to, are no news, and those that failed are not tried again.
func (b Bytes) Roll() bool { return !b.Looked && !b.KnownBad }
