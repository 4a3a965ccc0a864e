package master

import (
	"context"
	"errors"

	"relevo/internal/succession"
	"relevo/internal/threads"
)

// succeed tells the previous master that it may end, waits for its end, and begins.
func (m *Master) succeed() error {
	a := m.opts.Arrival
	if a == nil {
		return nil
	}
	if err := a.Flip.Ready(); err != nil {
		return err
	}
	word, err := a.Flip.AwaitPredecessor(context.Background())
	if err != nil {
		return err
	}
	m.opts.Arrival.Force = word.Force
	if !word.Confirmed && !m.needsNoWord() {
		// The previous master died before systemd knew of this process, so systemd starts another
		// one.
		return errors.New("cannot take over: the previous master has died meanwhile, and systemd starts another one")
	}
	// At the limit of tasks there was no room for these threads while two masters lived.
	threads.TakeOver(tasksOfMaster(m.opts.App))
	m.owns = true
	m.keeper.Begin()
	if a.In != nil {
		a.In.Close() // closes the files of the legacy that were not used
	}
	if a.Doubt != nil {
		m.log.Warn("a setting of the environment is wrong: its default is used", "err", a.Doubt)
	}
	if a.Lost != nil {
		m.log.Error("cannot take over from the previous master: this one starts over and ends its workers", "err", a.Lost)
	}
	if !a.Succeeds() {
		return nil
	}
	m.listeners.Set.Begin()
	if a.Way == succession.Store {
		// The socket is new, and the workers' user may not send to it yet.
		if err := m.giveNotifySocket(m.generations.Wanted(), m.serving()); err != nil {
			m.log.Warn("notifications of workers may be lost", "err", err)
		}
		// Workers that the previous master had started but not recorded yet.
		return m.strays().end(m.adopted)
	}
	return nil
}

// rehearse is what a successor does before it takes over.
func (m *Master) rehearse() error {
	for _, step := range []func() error{m.takeOverLegacy, m.openControl, m.whole, m.opts.Arrival.In.Approve} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// needsNoWord says whether a successor takes over although the previous master has not confirmed:
// systemd has started this successor, or there is no systemd that would start another one.
func (m *Master) needsNoWord() bool {
	return m.keeper == nil || m.opts.Arrival.Way == succession.Asked
}
