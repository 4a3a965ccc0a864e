package master

import (
	"fmt"
	"log/slog"
	"time"

	"relevo/internal/announce"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/upgrader/listeners"
)

// watchFor is how long the listeners are checked closely after a worker has started or begun to
// leave; see listeners.Set.Watch.
const watchFor = 3 * time.Second

// renewEvery is the pause between two looks at workers that hold a dead socket.
const renewEvery = 100 * time.Millisecond

// mender reports damage that workers have done to listeners, after the set has repaired it,
// and replaces the workers that hold a dead socket.
type mender struct {
	announcer *announce.Announcer
	pool      func() tended
	later     func(do func())
	log       *slog.Logger
}

// follow subscribes to all repairs.
func (m mender) follow(set *listeners.Set) {
	var told announce.Healings
	set.OnHealed(func(h listeners.Healed) {
		if times := told.Due(h, time.Now()); times > 0 {
			m.later(func() { m.healed(h, times) })
		}
	})
}

// healed reports a listener that a worker had damaged for all others. The kernel does not say which
// worker it was: those that were starting or leaving are named.
func (m mender) healed(h listeners.Healed, times int) {
	now := h.At
	by := " by a worker"
	if h.Outside {
		by = ""
	}
	listener := fmt.Sprintf("listener %s (%s)", h.Listener, h.Address)
	text := fmt.Sprintf("%s: %s%s, mended", listener, h.What, by)
	switch {
	case h.Err != nil:
		text = fmt.Sprintf("%s: %s%s, not mended: %v", listener, h.What, by, h.Err)
	case h.Renewed:
		text += " by a new socket, for which the workers are replaced"
	}
	if times > 1 {
		text += fmt.Sprintf(", the last of %d times", times)
	}
	status, err := m.pool().Status()
	if err != nil {
		return // the pool has ended
	}
	var suspects []string
	if !h.Outside {
		suspects = m.announcer.Damages.Suspects(status.Workers, now)
	}
	// The warning comes first, so that a reader of the event finds it in the status.
	m.announcer.Damages.Warn(&m.announcer.Warnings, listener, text, suspects, times, now)
	m.pool().Publish(pool.Event{Kind: pool.KindHealed, Text: text, Addresses: []string{h.Address}, Workers: suspects})
	if h.Renewed && h.Err == nil {
		m.renewWorkers(now, listener+" had to be reopened")
	}
}

// renewWorkers recycles the workers that were started before a socket was reopened. It is not a
// roll: it must not pick up a new configuration or release. Those workers can serve no client.
func (m mender) renewWorkers(opened time.Time, reason string) {
	looks := time.NewTicker(renewEvery)
	defer looks.Stop()
	for ; ; <-looks.C {
		status, err := m.pool().Status()
		if err != nil || !m.recycleBefore(status.Workers, opened, reason) {
			return
		}
	}
}

// recycleBefore recycles the serving workers that were started before a moment. It returns true if
// there was any, starting ones included.
func (m mender) recycleBefore(workers []pool.Worker, moment time.Time, reason string) (left bool) {
	for _, w := range workers {
		stays := w.State == string(machine.Starting) || w.State == string(machine.Serving)
		if w.ID == "" || !stays || w.Started.After(moment) {
			continue
		}
		left = true
		if w.State == string(machine.Serving) {
			if err := m.pool().Recycle(w.ID, machine.CauseListener, reason); err != nil {
				m.log.Debug("not recycled", "worker", w.ID, "err", err)
			}
		}
	}
	return left
}
