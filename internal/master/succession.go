package master

import (
	"errors"
	"os"

	"relevo/internal/control"
	"relevo/internal/decide"
	"relevo/internal/succession"
	"relevo/pool"
)

// Upgrade replaces this master by the program that its binary's path holds now:
// control.Master. Workers are not touched. After an error this master goes on.
func (m *Master) Upgrade() (control.Upgraded, error) { return m.upgrade("") }

// upgrade tells the next master what to do first.
func (m *Master) upgrade(then string) (control.Upgraded, error) {
	if !m.replaceable() {
		return control.Upgraded{}, control.WithExit(errors.New("cannot replace the master: one that develops, or waits for "+
			"something to start, is stopped and started anew"), control.ExitBusy)
	}
	return m.succession.Replace(m.way(), then)
}

// replaceable says whether another master could go on with what this one does.
func (m *Master) replaceable() bool { return m.opts.Arrival != nil && !m.unready() }

// way is how this master is replaced: in place where another pid would hurt.
func (m *Master) way() succession.Way {
	if decide.ReplaceInPlace(os.Getpid(), m.app().Upgrade, m.opts.Terminal) {
		return succession.Exec
	}
	return succession.Tableflip
}

// upgradeFirst replaces the master if relevo itself has changed, and says whether
// another one goes on. One that cannot take over does not keep the app from its
// reload, and is not tried again by itself.
func (m *Master) upgradeFirst(then string) bool {
	if !m.replaceable() {
		return false
	}
	changed, err := m.succession.ProgramChanged()
	if err != nil {
		m.log.Warn("cannot tell whether relevo itself has changed", "err", err)
	}
	if err != nil || !changed {
		return false
	}
	_, err = m.upgrade(then)
	return err == nil
}

func (m *Master) pauseNotify() {
	if m.notify != nil {
		m.report(m.notify.Pause())
		<-m.notified // what was read is delivered
	}
}

func (m *Master) resumeNotify() {
	if m.notify != nil {
		m.report(m.notify.Resume())
		m.serveNotify()
	}
}

// serveNotify serves until Pause or the end.
func (m *Master) serveNotify() {
	m.notified = make(chan struct{})
	go func() {
		defer close(m.notified)
		m.report(m.notify.Serve(m.launcher.Notified))
	}()
}

// afterThaw runs what was not done because another master seemed to go on, if this
// one does.
func (m *Master) afterThaw(do func()) {
	m.later.Go(func() {
		m.succession.Await()
		do()
	})
}

// handedOver says whether something was not done because another master goes on.
func handedOver(err error) bool {
	coded := new(control.Error)
	return errors.Is(err, pool.ErrHandedOver) || errors.As(err, &coded) && coded.HandedOver != nil
}
