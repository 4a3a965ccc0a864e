package master

import (
	"context"
	"errors"

	"relevo/internal/succession"
	"relevo/pool"
	"relevo/pool/machine"
)

// tell announces the pool's events and does what follows from them. It reads from
// its own channel, so a log that blocks holds nobody up.
func (m *Master) tell(ctx context.Context) {
	m.announcer.Follow(ctx, m.running().Journal(), func(e pool.Event) {
		m.moreTime(e)
		switch {
		case e.Kind == pool.KindStarted:
			m.started()
		case e.Kind == pool.KindSuccession:
			m.succeeded()
		case e.Kind == pool.KindFork, e.Kind == pool.KindDraining, e.Kind == pool.KindExit:
			m.listeners.Upgrader.Watch(watchFor)
		case e.Kind == pool.KindSleep, e.Kind == pool.KindWake:
			m.changed.Set() // all that look at workers
			m.systemd.Status(m.statusText())
		case e.Kind == pool.KindResize, e.Kind == pool.KindRoll && e.Step == pool.StepEnded:
			m.systemd.Status(m.statusText())
		}
	})
}

// succeeded is what comes first in the life of a successor. Where the workers are
// still getting ready it says that it serves when they are: KindStarted.
func (m *Master) succeeded() {
	status, err := m.running().Status()
	switch phase := machine.Phase(status.State); {
	case err != nil, phase == machine.Booting:
	case phase == machine.Halting:
		m.systemd.Ready(m.statusText()) // a unit that ends without it is started again
	default:
		m.started()
	}
	m.loop.outside.Go(m.followServing)
	if why := m.opts.Arrival.Left.Refused; why != "" {
		m.box.post(refused{errors.New(why)})
	}
	if m.opts.Arrival.Force {
		m.report(m.Stop(true))
	}
	if m.opts.Arrival.Left.Then == succession.ThenReload {
		m.requestReload("SIGHUP to the master before")
	}
	for _, sig := range m.opts.Arrival.In.Owed {
		select {
		case m.signals <- sig:
		default: // so many wait that this one would change little
		}
	}
}

// moreTime asks systemd for patience with a roll at each of its steps: together
// they may take longer than its unit says a reload can.
func (m *Master) moreTime(e pool.Event) {
	if e.Kind == pool.KindRoll && e.Step != pool.StepEnded {
		m.systemd.ExtendTimeout(stepTime(m.generations.Wanted().App()))
	}
}
