package master

import (
	"fmt"
	"log/slog"
	"time"

	"relevo/internal/announce"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/upgrader"
)

// watchFor is how long the listeners are looked at closely after a worker came
// or began to go; see upgrader.Watch.
const watchFor = 3 * time.Second

// renewEvery is the pause between two looks at workers that hold a dead socket.
const renewEvery = 100 * time.Millisecond

// mender deals with damage that workers have done to listeners, after the upgrader has repaired
// it.
type mender struct {
	announcer *announce.Announcer
	pool      func() tended
	later     func(do func())
	log       *slog.Logger
}

// follow hears of all damage from now on.
func (m mender) follow(up *upgrader.Upgrader) {
	var told announce.Healings
	up.OnHealed(func(h upgrader.Healed) {
		if times := told.Due(h, time.Now()); times > 0 {
			m.later(func() { m.healed(h, times) })
		}
	})
}

// healed tells of a listener that a worker had damaged for all others. The
// kernel does not say which one it was: those that come or go are named.
func (m mender) healed(h upgrader.Healed, times int) {
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
		return // nobody is left
	}
	var suspects []string
	if !h.Outside {
		suspects = m.announcer.Damages.Suspects(status.Workers, now)
	}
	// The warning first: who hears of the event finds it in the status.
	m.announcer.Damages.Warn(&m.announcer.Warnings, listener, text, suspects, times, now)
	m.pool().Publish(pool.Event{Kind: pool.KindHealed, Text: text, Addresses: []string{h.Address}, Workers: suspects})
	if h.Renewed && h.Err == nil {
		m.renewWorkers(now, listener+" had to be opened anew")
	}
}

// renewWorkers recycles the workers that were started before a socket was opened
// anew. It is no roll: whatever the configuration and the file of the release
// hold by now, those workers serve nobody.
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

// recycleBefore says whether a worker that was started before a moment is left.
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
