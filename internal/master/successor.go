package master

import (
	"context"
	"errors"
	"path/filepath"

	"relevo/internal/control"
	"relevo/internal/diskspace"
	"relevo/internal/ipc"
	"relevo/internal/metrics"
	"relevo/internal/succession"
	"relevo/internal/threads"
	"relevo/upgrader"
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
		// It died before systemd knew of this process, and systemd starts another.
		return errors.New("cannot succeed a master that has died meanwhile: systemd starts another one")
	}
	// At the limit of tasks there was no room for them while two masters lived.
	threads.TakeOver(tasksOfMaster())
	m.owns = true
	m.keeper.Begin()
	if a.In != nil {
		a.In.Close() // files of the legacy that were not used
	}
	if a.Doubt != nil {
		m.log.Warn("takes the default instead", "err", a.Doubt)
	}
	if a.Lost != nil {
		m.log.Error("begins anew: the previous master cannot be succeeded, its workers are ended", "err", a.Lost)
	}
	if !a.Succeeds() {
		return nil
	}
	m.listeners.Upgrader.Begin()
	if a.Way == succession.Store {
		// The socket is new, and the workers' user may not send to it yet.
		if err := m.giveNotifySocket(m.generations.Wanted(), m.serving()); err != nil {
			m.log.Warn("workers may not be heard", "err", err)
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

// takeOverName takes over the lock of the name, or takes a new one if it ended with the
// previous master.
func (m *maker) takeOverName(in *upgrader.Received) error {
	lock, err := in.File(lockFile)
	if errors.Is(err, upgrader.ErrNotInLegacy) {
		return m.takeName()
	}
	if err != nil {
		return err
	}
	m.lock = control.TakeOverLock(lock, m.opts.Places.Lock(m.opts.App.Name))
	return nil
}

// openNotify takes over the workers' notify socket, or opens a new one.
func (m *maker) openNotify(path string) (*ipc.NotifyServer, error) {
	if a := m.opts.Arrival; a != nil && a.In != nil {
		if socket, err := a.In.File(notifyFile); err == nil {
			return ipc.TakeOverNotify(path, socket)
		}
	}
	server, err := ipc.ListenNotify(path)
	return server, diskspace.Detail(filepath.Dir(path), err)
}

// serveControl answers clients from now on.
func (m *Master) serveControl() {
	if !m.answers {
		m.answers = true
		server := m.control
		server.Handle("GET /v1/metrics", metrics.Handler(m.Status))
		m.later.Go(func() { m.report(server.Serve()) })
	}
}

func (m *Master) openControl() (err error) {
	if m.control != nil {
		return nil // somebody waited
	}
	path := m.controlPath()
	if a := m.opts.Arrival; a != nil && a.In != nil {
		if socket, err := a.In.File(controlFile); err == nil {
			if m.control, err = control.TakeOver(socket, path, m, m.log); err == nil || a.Way.Reversible() || a.Checks {
				return err
			}
			m.log.Warn("the control socket begins anew", "err", err) // no previous master could go on instead
		}
	}
	m.control, err = control.Listen(path, m, m.log)
	return diskspace.Detail(filepath.Dir(path), err)
}
