package machine

import "time"

// Options are the pool's patience. The zero value works.
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
	// Young is how long after a roll a crash storm takes it back. Default 1 min;
	// negative means not at all.
	Young time.Duration
	// MaxLifetime is how long a worker serves before it is recycled. Default: no
	// limit.
	MaxLifetime time.Duration
	// LifetimeJitter is the fraction of MaxLifetime by which that differs from
	// worker to worker, 0 to 1.
	LifetimeJitter float64
	// Watchdog is how long a serving worker may give no sign of life, once it has
	// given one by itself or said that it answers pings. Default: for ever.
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
	setDefault(&o.Young, time.Minute)
	o.Young = max(o.Young, 0)
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
