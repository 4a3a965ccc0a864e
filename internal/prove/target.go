package prove

import (
	"context"
	"syscall"
)

// Serving is the State of a worker that is ready and takes requests.
const Serving = "serving"

// Target is the app under test, seen through its master. Roll is called from one
// goroutine and Workers and Signal from another, at the same time. Every method
// returns soon after the end of its ctx.
type Target interface {
	// Workers lists all workers, in every state.
	Workers(ctx context.Context) ([]Worker, error)
	// Roll replaces all workers and returns when that is done or has failed.
	Roll(ctx context.Context) (Roll, error)
	// Signal sends sig to one worker.
	Signal(ctx context.Context, workerID string, sig syscall.Signal) error
}

// Worker is one process that serves.
type Worker struct {
	ID         string // unique in the life of the app
	Slot       int    // its place in the pool, stable over replacements
	PID        int
	Generation int
	State      string // Serving, or any other word
}

// Roll is the result of one roll.
type Roll struct {
	Replaced int    // workers replaced
	OK       bool   // all of them were replaced
	Reason   string // why not
}
