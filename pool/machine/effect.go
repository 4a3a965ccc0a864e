package machine

import "time"

// Effect is something to do or to report. The set is closed. Effects have to be performed
// in order.
type Effect interface{ effect() }

// Spawn: start this worker. The answer is Exited if that cannot be done.
type Spawn struct {
	Worker     int
	Slot       int
	Generation int
	Canary     bool // it is a roll's first worker, on trial until Admit
	Cause      Cause
}

// Admit: the worker was on trial and gets clients like all others from now on.
type Admit struct{ Worker int }

// Drain: ask the worker by message to finish until Deadline and to exit.
type Drain struct {
	Worker   int
	Deadline time.Time
}

// Terminate: send the stop signal to the worker.
type Terminate struct{ Worker int }

// Kill: send SIGKILL to the worker's process group.
type Kill struct{ Worker int }

// Moved reports that a worker changed its state. Reason is empty if the change explains
// itself.
type Moved struct {
	Worker, Slot, Generation int
	From, To                 State
	Reason                   string
}

// Respawning reports that a slot's worker died and that the next one is spawned After
// that time; zero means at once.
type Respawning struct {
	Slot    int
	Reason  string
	After   time.Duration
	Retries int // deaths that still count against the slot
}

// Booted reports that every slot has had its first try. OK means that at least one worker
// serves; Reason is the last failure.
type Booted struct {
	OK     bool
	Worker int // the worker that failed last, 0 if none
	Reason string
	Blame  Blame
}

// RollBegan tells that a roll is in progress from now on.
type RollBegan struct{ From, Generation int }

// RollStep reports that the roll's worker now serves a slot, or, while Reverting, that a
// worker of the old generation does.
type RollStep struct {
	Generation, Slot, Worker int
	Done, Of                 int
	Reverting                bool
}

// OnProbation reports that the canary is ready, and when its probation ends.
type OnProbation struct {
	Generation, Slot, Worker int
	Until                    time.Time
}

// CanaryPassed reports that the canary has passed its probation.
type CanaryPassed struct{ Generation, Slot, Worker int }

// RollReverting reports that a roll failed and that replaced slots go back to the old
// generation. If no roll is in progress, it reports that a crash storm undoes the last
// one. RollEnded follows in both cases.
type RollReverting struct {
	Generation, To int
	Slot, Worker   int
	Reason         string
	Blame          Blame
}

// RollEnded tells how a roll ended.
type RollEnded struct {
	Generation int
	Result     Result
	Slot       int    // where it failed
	Worker     int    // the worker that failed, 0 if none
	Reason     string // why it failed
	Blame      Blame  `json:",omitempty"`
	Stuck      []int  // slots that could not be put back on the old generation
}

// RollSuperseded reports that a requested roll will not be run or finished, because a
// newer one takes its place.
type RollSuperseded struct{ Generation, By int }

// Resized tells that the number of slots changed.
type Resized struct {
	From, To int
	Reason   string // of Resize
}

// FellAsleep tells that all workers leave, and that none follow until Woke.
type FellAsleep struct {
	Workers int // slots before
	Reason  string
}

// Woke tells that there are slots again.
type Woke struct {
	Workers int
	Reason  string
}

// Recycling tells that a worker is being replaced by one of its own generation.
type Recycling struct {
	Worker, Slot int
	Reason       string
}

// Ping: ask the worker for a sign of life, an Alive event.
type Ping struct{ Worker int }

// Hangs reports that a worker hangs and is replaced.
type Hangs struct {
	Worker, Slot int
	Reason       string
}

// Abandoned reports that a worker has survived SIGKILL, and that the pool stops waiting
// for it.
type Abandoned struct{ Worker, Slot int }

// Ended reports that the pool is stopped; it is the last effect.
type Ended struct{}

func (Spawn) effect()          {}
func (Admit) effect()          {}
func (Drain) effect()          {}
func (Terminate) effect()      {}
func (Kill) effect()           {}
func (Moved) effect()          {}
func (Respawning) effect()     {}
func (Booted) effect()         {}
func (RollBegan) effect()      {}
func (RollStep) effect()       {}
func (OnProbation) effect()    {}
func (CanaryPassed) effect()   {}
func (RollReverting) effect()  {}
func (RollEnded) effect()      {}
func (RollSuperseded) effect() {}
func (Resized) effect()        {}
func (FellAsleep) effect()     {}
func (Woke) effect()           {}
func (Recycling) effect()      {}
func (Ping) effect()           {}
func (Hangs) effect()          {}
func (Abandoned) effect()      {}
func (Ended) effect()          {}

// Result is how a roll ended.
type Result string

// The results.
const (
	// OK: every slot is served by the new generation.
	OK Result = "ok"
	// RolledBack: the new generation failed; every slot serves the old one.
	RolledBack Result = "rolled-back"
	// Failed: the new generation failed and not every slot could be put back.
	Failed Result = "failed"
	// Aborted: the pool was stopped in the middle.
	Aborted Result = "aborted"
)
