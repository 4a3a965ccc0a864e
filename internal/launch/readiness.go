package launch

import (
	"sync/atomic"
	"time"

	"relevo/internal/config"
	"relevo/internal/ipc"
)

// observeEvery is the pause between two looks at a starting worker.
const observeEvery = 20 * time.Millisecond

// readiness decides what makes a worker ready.
type readiness struct {
	mode      config.Ready
	listeners bool
	ownWord   bool // other workers of the release said that they were ready, so it has to, too
	spoken    atomic.Bool
}

func newReadiness(mode config.Ready, listeners, ownWord bool) *readiness {
	if mode.Mode == "" {
		mode.Mode = config.ReadyAuto
	}
	return &readiness{mode: mode, listeners: listeners, ownWord: ownWord && mode.Mode == config.ReadyAuto}
}

// takes says whether a report in this way counts.
func (r *readiness) takes(way config.ReadyMode) bool {
	return r.mode.Mode == config.ReadyAuto || r.mode.Mode == way
}

// observes says whether observation counts: what the kernel shows of a worker.
func (r *readiness) observes() bool { return r.accepts() && r.listeners }

// accepts says whether an accepted connection counts.
func (r *readiness) accepts() bool { return r.guesses() && !r.ownWord }

// guesses says that the configuration does not say what makes a worker ready.
func (r *readiness) guesses() bool { return r.mode.Mode == config.ReadyAuto }

// aliveFor is how long a worker without listeners has to live to be ready.
const aliveFor = time.Second

// byLiving: the worker has lived for that long.
const byLiving = "alive"

// delay returns after which time a worker is ready that has said nothing, and what this is
// called. The time is the configured delay. A worker without listeners has a delay as well:
// nothing of it can be observed, so it only has to live for a while. expected says that it
// is known to bind addresses of its own: then it is ready when it has done that.
func (r *readiness) delay(expected bool) (after time.Duration, how string, ok bool) {
	switch {
	case r.mode.Mode == config.ReadyDelay:
		return r.mode.Delay, "delay", true
	case r.accepts() && !r.listeners && !expected:
		return aliveFor, byLiving, true
	}
	return 0, "", false
}

// speaks records that the worker reports its readiness itself: from now on only that report
// counts. An application message proves nothing, because any Node program may send one, and a load
// is what a program may report that knows nothing else of relevo.
func (r *readiness) speaks(m ipc.Message) {
	switch m.(type) {
	case ipc.App, ipc.Load:
	default:
		r.spoken.Store(true)
	}
}

func (r *readiness) hasSpoken() bool { return r.spoken.Load() }
