package launch

import (
	"sync/atomic"
	"time"

	"relevo/internal/config"
	"relevo/internal/ipc"
)

// observeEvery is the pause between two looks at a starting worker.
const observeEvery = 20 * time.Millisecond

// readiness decides which word makes a worker ready.
type readiness struct {
	mode      config.Ready
	listeners bool
	ownWord   bool // other workers of its kind said that they were ready, so it has to, too
	spoken    atomic.Bool
}

func newReadiness(mode config.Ready, listeners, ownWord bool) *readiness {
	if mode.Mode == "" {
		mode.Mode = config.ReadyAuto
	}
	return &readiness{mode: mode, listeners: listeners, ownWord: ownWord && mode.Mode == config.ReadyAuto}
}

// takes says whether a word on this way counts.
func (r *readiness) takes(way config.ReadyMode) bool {
	return r.mode.Mode == config.ReadyAuto || r.mode.Mode == way
}

// observes says whether what the kernel shows may count.
func (r *readiness) observes() bool { return r.accepts() && r.listeners }

// accepts says whether an accepted connection may count.
func (r *readiness) accepts() bool { return r.mode.Mode == config.ReadyAuto && !r.ownWord }

// aliveFor is how long a worker without listeners has to live to be ready.
const aliveFor = time.Second

// delay returns the time after which a worker is ready that has said nothing, and
// the word for it. Besides the delay asked for there is the case of a worker that
// has no listener: nothing can be observed and it may have nothing to say, so all
// that can be asked of it is that it does not die at once.
// Expected says that it is known to bind addresses of its own, which is waited for.
func (r *readiness) delay(expected bool) (after time.Duration, how string, ok bool) {
	switch {
	case r.mode.Mode == config.ReadyDelay:
		return r.mode.Delay, "delay", true
	case r.accepts() && !r.listeners && !expected:
		return aliveFor, "alive", true
	}
	return 0, "", false
}

// speaks records that the worker reports its readiness itself: from now on only that
// report counts. An application message is not one, for any Node program may send it.
func (r *readiness) speaks(m ipc.Message) {
	if _, app := m.(ipc.App); !app {
		r.spoken.Store(true)
	}
}

func (r *readiness) hasSpoken() bool { return r.spoken.Load() }
