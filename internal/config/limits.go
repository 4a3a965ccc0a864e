package config

import "time"

// Limits say how much one worker may use, and for how long. The zero value limits nothing.
type Limits struct {
	MaxMemory      int64         // resident bytes of a worker and its descendants; 0: no limit
	MemoryReserve  int64         // bytes of memory that stay free when the load asks for another worker
	MaxLifetime    time.Duration // of a worker that serves; 0: no limit
	LifetimeJitter float64       // fraction of MaxLifetime by which it varies, 0 to 1
	Watchdog       time.Duration // how long a worker may be without a sign of life; 0: forever

	Rlimits     []Rlimit
	User, Group string // names or numbers; empty: the master's own. Root only
	Nice        *int   // -20 to 19; nil: the master's own
	OOMScoreAdj *int   // -1000 to 1000; nil: the master's own
	Umask       *int   // nil: the master's own
}

// Rlimit is one limit of setrlimit(2).
type Rlimit struct {
	Name       string // in small letters, without RLIMIT_: "nofile"
	Soft, Hard uint64 // Unlimited for none
}

// Unlimited is RLIM_INFINITY.
const Unlimited = ^uint64(0)

// DefaultLifetimeJitter keeps workers that started together from ending together.
const DefaultLifetimeJitter = 0.1

// ExecFrom is the file that workers are started from.
type ExecFrom string

// The choices.
const (
	// ExecAuto is the executable's own path while it holds the release's bytes,
	// the kept copy otherwise.
	ExecAuto ExecFrom = "auto"
	// ExecSnapshot is always the kept copy.
	ExecSnapshot ExecFrom = "snapshot"
	// ExecPath is always the path. A worker does not start if the path no longer holds
	// the release's bytes.
	ExecPath ExecFrom = "path"
)

// DefaultKeepReleases is how many copies of executables are kept for rollbacks,
// those in use not counted.
const DefaultKeepReleases = 5

// DefaultStopGrace is the time from the stop signal to SIGKILL if nothing is left to drain.
const DefaultStopGrace = 5 * time.Second
