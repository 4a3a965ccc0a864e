package machine

import "time"

// Options are the pool's surge and time limits. The zero value works.
type Options struct {
	// Surge is how many slots a roll replaces at a time. Default 1.
	Surge int
	// Canary is the probation of a roll's first worker. Default 1 s; negative
	// means none.
	Canary time.Duration
	// ReadyTimeout is how long a worker may start. Default 30 s.
	ReadyTimeout time.Duration
	// DrainTimeout is how long a worker may drain. Default 30 s.
	DrainTimeout time.Duration
	// StopGrace is the time from the stop signal to SIGKILL where nothing is
	// left to drain. Default 5 s, never more than DrainTimeout.
	StopGrace time.Duration
	// KillTimeout is how long a killed worker is waited for. Default 10 s.
	KillTimeout time.Duration
	// BackoffMin and BackoffMax bound the wait before a respawn. The first
	// respawn is immediate. Default 250 ms and 30 s, or BackoffMin where that is
	// more.
	BackoffMin, BackoffMax time.Duration
	// CrashWindow is how long after a roll a crash storm undoes it. Default 1 min; negative
	// means not at all.
	CrashWindow time.Duration `json:"Young"` // the name in documents of older masters
	// MaxLifetime is the time after which a serving worker is recycled. Default: no limit.
	MaxLifetime time.Duration
	// LifetimeJitter is the fraction of MaxLifetime, 0 to 1, by which lifetimes differ
	// between workers.
	LifetimeJitter float64
	// Watchdog is the time without a sign of life after which a serving worker counts as
	// hung. It applies to workers that have given a sign of life by themselves or said that
	// they answer pings. Default: no limit.
	Watchdog time.Duration
}

func (o Options) withDefaults() Options {
	if o.Surge < 1 {
		o.Surge = 1
	}
	setDefault(&o.Canary, time.Second)
	o.Canary = max(o.Canary, 0)
	setDefault(&o.ReadyTimeout, 30*time.Second)
	setDefault(&o.DrainTimeout, 30*time.Second)
	setDefault(&o.StopGrace, 5*time.Second)
	o.StopGrace = min(o.StopGrace, o.DrainTimeout)
	setDefault(&o.KillTimeout, 10*time.Second)
	setDefault(&o.BackoffMin, 250*time.Millisecond)
	setDefault(&o.BackoffMax, 30*time.Second)
	o.BackoffMax = max(o.BackoffMax, o.BackoffMin)
	setDefault(&o.CrashWindow, time.Minute)
	o.CrashWindow = max(o.CrashWindow, 0)
	o.MaxLifetime = max(o.MaxLifetime, 0)
	o.LifetimeJitter = min(max(o.LifetimeJitter, 0), 1)
	o.Watchdog = max(o.Watchdog, 0)
	return o
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}
