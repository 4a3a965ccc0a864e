package machine

// Event is something that happened. The set is closed.
type Event interface{ event() }

// Start fills the pool for the first time. It is the first event.
type Start struct {
	Workers    int
	Generation int
}

// Ready says that a worker serves.
type Ready struct{ Worker int }

// Hello says that a worker takes its drain by message.
type Hello struct {
	Worker int
	Pong   bool // it answers pings
}

// Leaving says that a worker has begun to drain, asked or unasked.
type Leaving struct{ Worker int }

// Drained says that a worker has finished what it accepted.
type Drained struct{ Worker int }

// Exited says that a worker is gone, or could not be started.
type Exited struct {
	Worker int
	Reason string // "exit status 1", "killed by SIGKILL", "cannot start: …"
	Blame  Blame  // ignored for a worker that was leaving
	// Signalled: a user had relevo send the signal, so the death does not belong to a crash
	// loop.
	Signalled bool
}

// Alive says that a worker gave a sign of life: WATCHDOG=1, or the answer to a
// Ping.
type Alive struct{ Worker int }

// Unseen says that the master cannot see whether a starting worker serves, and
// why. An empty reason says that it can again.
type Unseen struct {
	Worker int
	Reason string
}

// Hung says that a worker has to be replaced at once: it said so itself, or does harm.
type Hung struct {
	Worker int
	Reason string
}

// Unhealthy says that a worker fails its health check. A starting worker then fails to
// start, a canary fails its roll, and a serving worker is recycled.
type Unhealthy struct {
	Worker int
	Reason string
}

// Recycle asks to replace a serving worker by one of its own generation.
type Recycle struct {
	Worker int
	Cause  Cause
	Reason string
}

// Tick says that the time of Next has come. It may be early or late.
type Tick struct{}

// Roll asks to replace all workers by workers of Generation, a number higher
// than any before.
type Roll struct {
	Generation int
	Cause      Cause // of the starts; empty: CauseRoll
}

// Promote asks for the end of the canary's probation, as if its time were over.
type Promote struct{}

// Abort asks for the end of the roll in progress, and of one that waits: replaced slots
// go back to the old generation.
type Abort struct{ Reason string }

// Resize asks for another number of slots, at least one.
type Resize struct {
	Workers int
	Reason  string // empty: a user wants it
}

// Sleep asks for the end of all workers until Wake. It is ignored unless all slots serve, in
// the pool's generation, and no roll is under way.
type Sleep struct{ Reason string }

// Wake asks for that many slots again. It is ignored by a pool that does not sleep.
type Wake struct {
	Workers int
	Reason  string
}

// Configure changes the options from now on.
type Configure struct{ Options Options }

// Halt asks for the graceful stop of the whole pool.
type Halt struct{}

// Force kills every worker. It implies Halt.
type Force struct{}

func (Start) event()     {}
func (Ready) event()     {}
func (Hello) event()     {}
func (Leaving) event()   {}
func (Drained) event()   {}
func (Exited) event()    {}
func (Alive) event()     {}
func (Unseen) event()    {}
func (Hung) event()      {}
func (Unhealthy) event() {}
func (Recycle) event()   {}
func (Tick) event()      {}
func (Roll) event()      {}
func (Promote) event()   {}
func (Abort) event()     {}
func (Resize) event()    {}
func (Sleep) event()     {}
func (Wake) event()      {}
func (Configure) event() {}
func (Halt) event()      {}
func (Force) event()     {}
