package control

import (
	"encoding/json"
	"errors"
	"time"

	"relevo/internal/config"
	"relevo/pool"
)

// The exit codes of the command line. Errors carry them over the wire.
const (
	ExitOK           = 0
	ExitFailure      = 1
	ExitUsage        = 2
	ExitNotRunning   = 3
	ExitNotPermitted = 4
	ExitConfig       = 6  // the configuration is invalid
	ExitRollFailed   = 10 // a roll failed; the old generation keeps serving
	ExitBusy         = 75
)

// Error is an error with its exit code.
type Error struct {
	Message string `json:"error" printable:"lines"`
	Exit    int    `json:"exit"`
	// HandedOver is set if another master has taken over the app. It is the generation of
	// the roll to wait for there. 0 means that nothing was done, and that the request
	// should be made again.
	HandedOver *int `json:"handed_over,omitempty"`
}

// HandedOver returns the error for a client whose request another master has to answer.
func HandedOver(generation int) error {
	return &Error{Message: "another master has taken over the app: try again", Exit: ExitBusy, HandedOver: &generation}
}

func (e *Error) Error() string { return e.Message }

// ExitCode returns the exit code for an error of any kind; 0 for nil.
func ExitCode(err error) int {
	var coded *Error
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &coded):
		return coded.Exit
	}
	return ExitFailure
}

// WithExit gives an error an exit code, unless it has one, or another master has to answer.
func WithExit(err error, code int) error {
	var coded *Error
	if err == nil || errors.As(err, &coded) || errors.Is(err, pool.ErrHandedOver) {
		return err
	}
	return &Error{Message: err.Error(), Exit: code}
}

// Refusal is the error of a request that has changed nothing. Stays says on a line of its own what
// keeps running.
type Refusal struct {
	Err   error
	Stays string
}

func (r *Refusal) Error() string { return r.Err.Error() + "\n  " + r.Stays }
func (r *Refusal) Unwrap() error { return r.Err }

// Status is the answer of /v1/status.
type Status struct {
	Name      string     `json:"name"`
	PID       int        `json:"pid"`
	Version   string     `json:"version"`
	Build     Build      `json:"build,omitzero"` // empty: the master is too old to tell
	Listeners []Listener `json:"listeners"`
	Config    string     `json:"config,omitempty"`  // the configuration file
	Metrics   string     `json:"metrics,omitempty"` // the address at which they are served; empty: none
	// Started is when the first master of the app started. Successions is how many
	// masters have followed it.
	Started     time.Time `json:"started,omitzero"`
	Successions int       `json:"successions,omitempty"`
	// FailedUpgrades is how often, since Started, a master could not be replaced by another one.
	FailedUpgrades int `json:"failed_upgrades,omitempty"`
	// UpgradeFailed says why the last attempt to replace this master failed.
	UpgradeFailed string `json:"upgrade_failed,omitempty" printable:"lines"`
	// Warnings say what a person should look at: that the command's path holds a release
	// that is known to be bad, or that a listener had to be repaired.
	Warnings []string `json:"warnings,omitempty"`
	// Health says how the workers' health is checked; nil: it is not.
	Health *Health `json:"health,omitempty"`
	// Scale says who decides on the number of workers; nil: the configuration fixes it.
	Scale *Scale `json:"scale,omitempty"`
	// NextRoll is when all workers are replaced by the clock.
	NextRoll time.Time `json:"next_roll,omitzero"`
	pool.Status
}

// Build is how the program of a master was built.
type Build struct {
	Go       string `json:"go,omitempty"`       // Go's version
	Revision string `json:"revision,omitempty"` // of the repository
}

// Scale is about a number of workers that follows the load.
type Scale struct {
	Min int `json:"min"`
	Max int `json:"max"`
	// Idle is the time without clients after which there are no workers; empty: some stay.
	Idle string `json:"idle,omitempty"`
	// Fixed says that a user has set the number, and that it does not follow the load until
	// relevo scale auto.
	Fixed  bool      `json:"fixed,omitempty"`
	Reason string    `json:"reason,omitempty"` // of the last change by the load
	At     time.Time `json:"at,omitzero"`      // when that was
}

// Health is the health check of an app.
type Health struct {
	Check      string `json:"check"`
	IntervalMS int64  `json:"interval_ms"`
	// Pool is the health of the pool as a whole, if its workers share a socket.
	Pool *pool.Health `json:"pool,omitempty"`
}

// Listener is a listening socket of the master.
type Listener struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	// Captured says that the program has bound it, and no configuration names it.
	Captured bool `json:"captured,omitempty"`
	// Balance is how workers share a captured listener: even, or shared.
	Balance config.Balance `json:"balance,omitempty"`
	Queue   *Queue         `json:"queue,omitempty"`
}

// Queue is what waits at a listener. What the kernel does not tell is nil.
type Queue struct {
	Waiting *int `json:"waiting,omitempty"` // connections that no worker has accepted
	Limit   *int `json:"limit,omitempty"`   // the most that may wait
	Dropped *int `json:"dropped,omitempty"` // packets discarded since the socket was opened
}

type scaleRequest struct {
	Workers json.RawMessage `json:"workers"` // a number, or "+N", "-N" or "auto"
}

// Scaled is the answer of /v1/scale.
type Scaled struct {
	From int `json:"from"`
	To   int `json:"to"`
	// Auto says that the load decides from now on.
	Auto bool `json:"auto,omitempty"`
}

type stopRequest struct {
	Force bool `json:"force"`
}

type handOverRequest struct {
	To string `json:"to"`
}

type sendRequest struct {
	Slot *int            `json:"slot"`
	ID   string          `json:"id"`
	Data json.RawMessage `json:"data"`
}

type signalRequest struct {
	Slot   *int   `json:"slot"`
	ID     string `json:"id"`
	Signal string `json:"signal"`
}

// Reached is the answer of /v1/send and /v1/signal: the ids of the workers.
type Reached struct {
	Workers []string `json:"workers"`
}
