package master

import (
	"context"
	"errors"

	"relevo/internal/succession"
	"relevo/pool"
	"relevo/pool/machine"
)

// tell announces the pool's events and does what follows from them. It reads from a channel of its
// own, so a log that blocks does not block the pool.
func (m *Master) tell(ctx context.Context) {
	m.announcer.Follow(ctx, m.running().Journal(), func(e pool.Event) {
		m.moreTime(e)
		m.worked()
		switch {
		case e.Kind == pool.KindStarted:
			m.started()
		case e.Kind == pool.KindSuccession:
			m.succeeded()
		case e.Kind == pool.KindFork, e.Kind == pool.KindDraining, e.Kind == pool.KindExit:
			m.listeners.Set.Watch(watchFor)
		case e.Kind == pool.KindSleep, e.Kind == pool.KindWake:
			m.changed.Set() // for everything that waits for a change of the workers
			m.systemd.Status(m.statusText())
		case e.Kind == pool.KindResize, e.Kind == pool.KindRoll && e.Step == pool.StepEnded:
			m.systemd.Status(m.statusText())
		}
	})
}

// worked lets the program that runs the master know of garbage.
func (c *core) worked() {
	if c.opts.Worked != nil {
		c.opts.Worked()
	}
}

// succeeded begins the work of a successor. If the workers are still starting, KindStarted tells
// later that the app serves.
func (m *Master) succeeded() {
	status, err := m.running().Status()
	switch phase := machine.Phase(status.State); {
	case err != nil, phase == machine.Booting:
	case phase == machine.Halting:
		m.systemd.Ready(m.statusText()) // systemd would start a unit again that ends without it
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
		m.requestReload("SIGHUP to the previous master")
	}
	for _, sig := range m.opts.Arrival.In.Owed {
		select {
		case m.signals <- sig:
		default: // the queue is full: this one would change little
		}
	}
}

// moreTime asks systemd at each step of a roll for more time: the steps together may take longer
// than the unit allows for a reload.
func (m *Master) moreTime(e pool.Event) {
	if e.Kind == pool.KindRoll && e.Step != pool.StepEnded {
		m.systemd.ExtendTimeout(stepTime(m.generations.Wanted().App()))
	}
}
