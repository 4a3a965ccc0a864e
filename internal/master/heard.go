package master

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// listens returns the channels to receive from: none while a signal is dealt with, because signals
// are dealt with in order.
func (l *loop) listens() (signals <-chan os.Signal, left <-chan struct{}, idle chan<- struct{}) {
	if !l.hears || l.dealing {
		return nil, nil, nil
	}
	return l.signals, l.left, l.succession.Hearing.Idle
}

// heard turns a signal into a request.
func (l *loop) heard(sig os.Signal) {
	switch sig.(syscall.Signal) {
	case unix.SIGHUP:
		l.hungUp(l.terminal.Meaning())
	case unix.SIGTERM, unix.SIGINT, unix.SIGQUIT:
		l.stopBySignal(sig.String())
	case unix.SIGTTIN:
		l.deal(func() { l.scaleBySignal(unix.SIGTTIN) }, nothing)
	case unix.SIGTTOU:
		l.deal(func() { l.scaleBySignal(unix.SIGTTOU) }, nothing)
	case unix.SIGUSR2:
		l.outside.Go(func() { l.upgrade("") }) // it logs its own result
	case unix.SIGPIPE:
	default:
		if !l.ignored[sig] { // only once, because the sender may send it often
			l.log.Warn("signal ignored: it has no meaning here", "signal", unix.SignalName(sig.(syscall.Signal)))
		}
		l.ignored[sig] = true
	}
}

// dealt marks a signal as dealt with, and continues with what came meanwhile.
func (l *loop) dealt(m dealt) {
	l.dealing = false
	switch m.stops {
	case bySignal:
		l.stops.accept(time.Now())
	case byTerminal:
		l.stops.hangup(time.Now())
	}
	l.nextHangup()
	if !l.dealing && l.hushed != nil {
		close(l.hushed)
		l.hushed = nil
	}
}

// hear begins to hear signals. To end it, it waits until the last signal is dealt with.
func (l *loop) hear(m hears) {
	if l.hears = m.now; l.hears {
		l.left = l.terminal.Left()
	}
	if l.hears || !l.dealing {
		close(m.done)
	} else {
		l.hushed = m.done
	}
}

// stopBySignal stops, stops by force, or does nothing, as stops decides.
func (l *loop) stopBySignal(name string) {
	meaning := l.stops.meaning(time.Now())
	if meaning == stopRepeated {
		l.log.Debug("the stop signal was repeated at once: it counts as the same stop", "signal", name)
		return
	}
	l.deal(func() { l.stopAs(name, meaning == stopByForce) }, bySignal)
}
