package master

import (
	"context"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/decide"
	"relevo/internal/generations"
	"relevo/internal/hangup"
	"relevo/pool"
	"relevo/watch"
)

// message is what arrives at the loop of a master. There are no others than these.
type message interface{ message() }

type (
	// workAsked is for something during which nothing else is prepared.
	workAsked struct {
		task
		answer chan<- answer // holds one
	}
	// prepared is the result of a preparation.
	prepared struct {
		number     int // of the work
		generation *generations.Generation
		bad        string // why it is expected to fail; empty: it is not
		same       bool   // what is wanted already is the same
		err        error
	}
	// workDone has the answer to workAsked.
	workDone struct {
		number int
		wait   control.Wait
		err    error
	}
	// rollEnded is an event of the pool.
	rollEnded struct {
		result pool.RollResult
		ended  *generations.Ended
	}
	// concluded says that all that follows from an ended roll is done.
	concluded struct {
		number  int
		works   bool  // nothing needs to be tried again
		refused error // it is to be tried again
		frozen  bool  // not all is, for another master was about to go on
	}
	// waitAsked waits for what follows from the rolls that have ended so far.
	waitAsked struct{ over chan<- struct{} }
	// rollWanted asks for a roll that nobody waits for.
	rollWanted struct {
		cause   string
		reload  bool // with the configuration as it is now
		changed bool // unless what lies at the path is what is wanted already
		cron    bool // the clock wants it
	}
	// requestBegun says that such a roll has begun, or was refused.
	requestBegun struct {
		number int
		rollWanted
		wait control.Wait // nil: it was refused
		err  error
	}
	// bytesChanged is what the watch has seen.
	bytesChanged struct {
		watch.Change
		bad string // why they are expected to fail; empty: they are not
	}
	// refused says that a roll that nobody waits for was refused before this master.
	refused struct{ why error }
	// looked says that the bytes that are there now were looked at for a roll or a start.
	looked struct{}
	// timerRang says that what was refused is to be tried again.
	timerRang struct{ number int }
	// hungUp is what a SIGHUP has turned out to mean that was unclear at first.
	hungUp struct{ meaning hangup.Meaning }
	// dealt says that what a signal has asked for is done.
	dealt struct{ stops stopKind }
	// hears says whether signals are heard from now on.
	hears struct {
		now  bool
		done chan<- struct{} // closed when what was heard is dealt with
	}
	// begins says that requests that nobody waits for are begun from now on.
	begins struct{}
	// noted is what has happened to the stage, or is known of it.
	noted struct {
		event  decide.StageEvent  // empty: none
		cancel context.CancelFunc // of the wait that begins
		pool   *pool.Pool
		fitted *config.WorkerRange
		left   *decide.Stage           // by the previous master
		letGo  bool                    // those who have subscribed in a wait
		answer chan<- decide.StageNext // holds one
	}
	// subscribed asks for the events of a wait for something to start.
	subscribed struct{ answer chan<- (<-chan pool.Event) } // holds one; nil: there is no wait
	// poolAsked is a request of the control socket that the pool answers.
	poolAsked struct {
		event  decide.StageEvent
		do     func()                  // outside of the loop
		answer chan<- decide.StageNext // AskPool when all is done; holds one
	}
	// over says that the pool has ended for good.
	over struct{}
)

func (workAsked) message()    {}
func (prepared) message()     {}
func (workDone) message()     {}
func (rollEnded) message()    {}
func (concluded) message()    {}
func (waitAsked) message()    {}
func (rollWanted) message()   {}
func (requestBegun) message() {}
func (bytesChanged) message() {}
func (refused) message()      {}
func (looked) message()       {}
func (timerRang) message()    {}
func (hungUp) message()       {}
func (dealt) message()        {}
func (hears) message()        {}
func (begins) message()       {}
func (noted) message()        {}
func (subscribed) message()   {}
func (poolAsked) message()    {}
func (over) message()         {}

// task is work of which one is done at a time.
type task struct {
	kind    kindOfTask
	changed bool // see rollWanted
	cron    bool // the clock wants it
	reload  control.ReloadOptions
	trial   generations.Trial
	to      string // the release that is rolled back to; empty: the last good one
}

// kindOfTask is what is done.
type kindOfTask int

const (
	held      kindOfTask = iota // by the one that asks: a start, a replacement of the master
	reloading                   // a roll with the configuration as it is now
	again                       // one with the configuration that was asked for last
	rollingBack
)

// looks says whether a task looks at the bytes that are there now.
func (k kindOfTask) looks() bool { return k == reloading || k == again }

// answer is that to workAsked.
type answer struct {
	wait control.Wait
	err  error
	done func() // of what is held
}

// mailbox is where messages for the loop arrive.
type mailbox struct {
	messages chan message
	done     chan struct{} // closed when the loop has ended
}

func newMailbox() mailbox { return mailbox{make(chan message), make(chan struct{})} }

// post returns when the loop has taken the message, and false if the loop has ended.
func (b mailbox) post(m message) bool {
	select {
	case b.messages <- m:
		return true
	case <-b.done:
		return false
	}
}

// ask has work done, and waits for the answer.
func (b mailbox) ask(t task) answer {
	answers := make(chan answer, 1)
	if b.post(workAsked{t, answers}) {
		select {
		case a := <-answers:
			return a
		case <-b.done:
		}
	}
	return answer{err: pool.ErrNotRunning, done: func() {}}
}

// askPool has the loop ask the pool, and returns what the loop says to that: decide.AskPool when it
// is done. After the end of the loop the pool itself tells of its end.
func (b mailbox) askPool(e decide.StageEvent, do func()) decide.StageNext {
	answer := make(chan decide.StageNext, 1)
	if b.post(poolAsked{e, do, answer}) {
		return <-answer
	}
	do()
	return decide.AskPool
}

// hold returns when nothing is prepared, and all that follows from ended rolls is done. Until done
// nothing is prepared.
func (b mailbox) hold() (done func()) { return b.ask(task{kind: held}).done }

// settled returns when all that follows from the rolls that have ended so far is done.
func (b mailbox) settled(ctx context.Context) error {
	over := make(chan struct{})
	if !b.post(waitAsked{over}) {
		return nil
	}
	select {
	case <-over:
		return nil
	case <-b.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hear has the loop hear signals from now on, or not any more, when all that was heard is dealt
// with.
func (b mailbox) hear(now bool) {
	done := make(chan struct{})
	if b.post(hears{now, done}) {
		select {
		case <-done:
		case <-b.done:
		}
	}
}
