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

// message is what the master's loop receives. The types below are all there are.
type message interface{ message() }

type (
	// workAsked asks for a turn: while it lasts, nothing else is prepared.
	workAsked struct {
		task
		answer chan<- answer // capacity 1
	}
	// prepared is the result of a preparation.
	prepared struct {
		number     int // of the workAsked
		generation *generations.Generation
		bad        string // why the release is expected to fail; empty: it is not
		same       bool   // it is the same as the generation asked for last
		err        error
	}
	// workDone carries the answer to a workAsked.
	workDone struct {
		number int
		wait   control.Wait
		err    error
	}
	// rollEnded reports the end of a roll in the pool.
	rollEnded struct {
		result pool.RollResult
		ended  *generations.Ended
	}
	// concluded reports that everything that follows from an ended roll is done.
	concluded struct {
		number  int
		works   bool  // the roll was ok, so nothing has to be tried again
		refused error // why the roll has to be tried again
		frozen  bool  // another master was about to take over, so afterRoll could not apply all settings
	}
	// waitAsked asks to hear when everything that follows from the rolls ended so far is done.
	waitAsked struct{ over chan<- struct{} }
	// rollWanted requests a roll for which no caller waits.
	rollWanted struct {
		cause   string
		reload  bool // read the configuration again
		changed bool // roll only if the bytes differ from those of the generation asked for last
		cron    bool // the schedule requests it
	}
	// requestBegun reports that such a roll has begun, or was refused.
	requestBegun struct {
		number int
		rollWanted
		wait control.Wait // nil: it was refused
		err  error
	}
	// bytesChanged reports a change that the watch has seen.
	bytesChanged struct {
		watch.Change
		bad string // why the bytes are expected to fail; empty: they are not
	}
	// refused reports that the previous master had to refuse a roll for which no caller waited.
	refused struct{ why error }
	// looked reports that a roll or a start has looked at the present bytes.
	looked struct{}
	// timerRang reports that it is time to try a refused roll again.
	timerRang struct{ number int }
	// hungUp reports the meaning of a SIGHUP that was unclear at first.
	hungUp struct{ meaning hangup.Meaning }
	// dealt reports that what a signal has asked for is done.
	dealt struct{ stops stopKind }
	// hears asks the loop to hear signals from now on, or to stop hearing them.
	hears struct {
		now  bool
		done chan<- struct{} // closed when no signal is being dealt with any more
	}
	// begins says that requests for which no caller waits may begin from now on.
	begins struct{}
	// noted changes the stage.
	noted struct {
		event  decide.StageEvent  // empty: none
		cancel context.CancelFunc // of the wait that begins
		pool   *pool.Pool
		fitted *config.WorkerRange
		left   *decide.Stage           // from the previous master
		letGo  bool                    // end the subscriptions made during a wait
		answer chan<- decide.StageNext // capacity 1
	}
	// subscribed asks for events while there is no pool yet.
	subscribed struct{ answer chan<- (<-chan pool.Event) } // holds one; nil: there is no wait
	// poolAsked is a request of the control socket that the pool answers.
	poolAsked struct {
		event  decide.StageEvent
		do     func()                  // called outside of the loop
		answer chan<- decide.StageNext // AskPool once do has returned; capacity 1
	}
	// over reports that the pool has ended for good.
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

// task is a kind of work of which one is done at a time.
type task struct {
	kind    kindOfTask
	changed bool // see rollWanted
	cron    bool // the schedule requests it
	reload  control.ReloadOptions
	trial   generations.Trial
	to      string // the release to roll back to; empty: the last good one
}

// kindOfTask is the kind of a task.
type kindOfTask int

const (
	held      kindOfTask = iota // the caller does it: a start, a replacement of the master
	reloading                   // a roll with the configuration as it is now
	again                       // a roll with the configuration that was asked for last
	rollingBack
)

// looks says whether a task looks at the present bytes.
func (k kindOfTask) looks() bool { return k == reloading || k == again }

// answer is the answer to workAsked.
type answer struct {
	wait control.Wait
	err  error
	done func() // ends a turn that the caller holds
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

// ask asks for work to be done, and waits for the answer.
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

// askPool has the loop run do if the stage allows it, and returns what the stage says:
// decide.AskPool when do has returned. After the end of the loop it runs do itself, because the
// pool then returns an error of its own.
func (b mailbox) askPool(e decide.StageEvent, do func()) decide.StageNext {
	answer := make(chan decide.StageNext, 1)
	if b.post(poolAsked{e, do, answer}) {
		return <-answer
	}
	do()
	return decide.AskPool
}

// hold waits for a turn: nothing is being prepared, and everything that follows from ended rolls is
// done. Until done is called, nothing else is prepared.
func (b mailbox) hold() (done func()) { return b.ask(task{kind: held}).done }

// settled returns when everything that follows from the rolls ended so far is done.
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

// hear has the loop hear signals from now on, or not any more. Then it returns when no signal is
// being dealt with.
func (b mailbox) hear(now bool) {
	done := make(chan struct{})
	if b.post(hears{now, done}) {
		select {
		case <-done:
		case <-b.done:
		}
	}
}
