package decide

import "time"

// request is a roll for which no caller waits. A reload reads the configuration again, a plain roll
// does not. At most one of each kind waits: a second one would do nothing that the first does not
// do. One kind does not stand for the other, because a configuration that cannot be read refuses
// the reload alone.
type request struct {
	number int
	reload bool
}

// Agenda says what a master does next. It is owned by the master's loop, and is pure: Step
// returns what follows from what has arrived. What is done outside of the loop has a number, with
// which its result comes back.
//
//	work     prepares a generation, or needs that none is prepared: one at a time, in the
//	         order of the requests, when everything that follows from ended rolls is done
//	end      what follows from a roll that has ended: one at a time, in the order of the rolls
//	wait     for what follows from the rolls that have ended before it
//	request  a roll for which no caller waits: one begins at a time, and one of each kind waits
//	retry    a refused roll is requested again, each time after a longer wait
type Agenda struct {
	work     []int // the first one is under way if working is set
	working  bool
	ends     []int         // the first one is under way
	waits    map[int][]int // by the end that they wait for
	requests []request
	begun    int // the request that is being begun; 0: none
	begins   bool
	timers   int // how many were started
	timer    int // the running one; 0: none
	wait     time.Duration
	over     bool // the app has ended: nothing is tried again
}

// Event is something that is reported to the agenda.
type Event interface{ event() }

type (
	WorkAsked    struct{ Number int }
	WorkDone     struct{ Number int } // the answer is known, and its generation is not being prepared any more
	RollEnded    struct{ Number int }
	Concluded    struct{ Number int } // everything that follows from an ended roll is done
	WaitAsked    struct{ Number int } // for everything that follows from ended rolls
	RequestAsked struct {             // a roll for which no caller waits
		Number int
		Reload bool // with the configuration as it will be when the roll begins
	}
	RequestBegun struct{ Number int } // or refused
	Begins       struct{ Now bool }   // whether requests may begin
	Refused      struct{}             // try what was requested again later
	TimerRang    struct{ Number int } // of StartTimer
	Looked       struct{}             // the present bytes were looked at: an older refusal does not count any more
	Changed      struct{}             // the bytes have changed: a refusal of the bytes before does not count any more
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

// Effect is something for the master to do.
type Effect interface{ effect() }

type (
	BeginWork    struct{ Number int }
	Conclude     struct{ Number int }
	EndWait      struct{ Number int }
	BeginRequest struct{ Number int }
	DropRequest  struct{ Number int }
	StartTimer   struct { // instead of the running timer
		Number int
		Wait   time.Duration
	}
	StopTimer struct{}
	AskAgain  struct{} // request again what was refused
)

func (BeginWork) effect()    {}
func (Conclude) effect()     {}
func (EndWait) effect()      {}
func (BeginRequest) effect() {}
func (DropRequest) effect()  {}
func (StartTimer) effect()   {}
func (StopTimer) effect()    {}
func (AskAgain) effect()     {}

// Step returns what follows from an event. An unknown or outdated number changes nothing.
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

// Works says whether the result of this work is still expected.
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

// retry handles events about rolls that were refused.
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
			return nil // it had rung already when it was stopped
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

// Prepared is the result of preparing a generation.
type Prepared struct {
	Late     bool // no caller waits for it any more
	Failed   bool
	Left     bool // it failed because another master takes over
	Watched  bool // relevo requested it, because the file at the path has changed
	Same     bool // only a change was to be rolled to, and this is the same as the generation asked for last
	KnownBad bool
	Forced   bool // a user wants it although it is known to be bad
}

// Next is what to do with a generation.
type Next int

const (
	NextRoll   Next = iota // roll to it
	NextRefuse             // tell why not, and apply the settings that need no roll
	NextKeep               // close it: it is the same as the generation asked for last
	NextAnswer             // answer with the error
	NextAgain              // answer with the error, and try again later
	NextDrop               // close it
)

// Next decides what to do with the generation.
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

// Bytes are what a watch has found at the path of the serving release.
type Bytes struct {
	Looked   bool // a reload or a start has looked at them before
	KnownBad bool
}

// Roll says whether to roll to them. A reload or a start has handled those that it looked at, and
// bytes that failed are not tried again.
func (b Bytes) Roll() bool { return !b.Looked && !b.KnownBad }
