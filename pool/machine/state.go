package machine

// State is the state of a worker, or of a slot without one.
type State string

// The states. None is terminal: a slot lives as long as the pool has room for it.
const (
	// Empty: the slot has no worker and nothing is due. Left by a spawn.
	Empty State = "empty"
	// Starting: the worker was spawned and has not said that it serves. Left by
	// ready, by its death, or for Stopping at the ready timeout.
	Starting State = "starting"
	// Serving: the worker is ready. Left by its death or for Draining.
	Serving State = "serving"
	// Draining: the worker was asked to finish what it accepted and to go. Left
	// by its exit or at the drain timeout: for Stopping if it was asked by
	// message, for Killing if by the stop signal.
	Draining State = "draining"
	// Stopping: the worker got the stop signal and has nothing left to finish. Left by its
	// exit or for Killing after the stop grace.
	Stopping State = "stopping"
	// Killing: the worker's process group got SIGKILL. Left by its exit.
	Killing State = "killing"
	// Backoff: the slot's worker died too often; the slot waits before the next
	// spawn. Left when the wait is over.
	Backoff State = "backoff"
)

// Phase is the state of the whole pool.
type Phase string

// The phases, in their order. Stopped is terminal.
const (
	// Idle: before the Start event.
	Idle Phase = "idle"
	// Booting: some slot's first worker is not ready yet.
	Booting Phase = "booting"
	// Running: the pool keeps its slots filled.
	Running Phase = "running"
	// Halting: all workers are leaving, none is replaced.
	Halting Phase = "halting"
	// Stopped: no worker is left.
	Stopped Phase = "stopped"
)
