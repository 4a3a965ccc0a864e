package master

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"

	"relevo/internal/succession"
	"relevo/pool"
)

func (l *loop) stopAs(name string, again bool) {
	err := l.Stop(again)
	switch {
	case errors.Is(err, pool.ErrHandedOver):
		// The successor stops the app, or this master after a thaw, which may have just ended.
		l.succession.AskStop(again)
		l.log.Info("stopping: the next master does it, or this one if it is not replaced", "signal", name)
		l.afterThaw(func() {
			if asked, force := l.succession.TakeStop(); asked {
				l.stopAs(name, force)
			}
		})
	case err != nil && !errors.Is(err, pool.ErrNotRunning):
		l.log.Error("cannot stop", "err", err)
	case again:
		l.log.Warn("stopping by force: workers are killed", "signal", name)
	default:
		l.log.Info("stopping: workers finish what they have accepted; a second signal forces", "signal", name)
	}
}

// reloadBySignal first replaces relevo itself if its program has changed: then the next master does
// the reload.
func (l *loop) reloadBySignal() {
	l.succession.Owed.Reload()
	l.outside.Go(func() {
		if !l.upgradeFirst(succession.ThenReload) {
			l.requestReload(causeSignal)
		}
	})
}

// causeSignal is the cause of a roll that SIGHUP has requested.
const causeSignal = "SIGHUP"

func (l *loop) scaleBySignal(sig syscall.Signal) {
	change := "+1"
	if sig == unix.SIGTTOU {
		change = "-1"
	}
	_, err := l.Scale(change)
	switch {
	case errors.Is(err, pool.ErrHandedOver):
		l.succession.Owed.Scale(sig) // for the next master, or for this one
		l.afterThaw(func() {
			for _, sig := range l.succession.Owed.TakeScales() {
				l.scaleBySignal(sig)
			}
		})
	case err != nil:
		l.log.Error("cannot change the number of workers", "err", err)
	}
}
