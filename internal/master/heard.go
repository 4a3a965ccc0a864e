package master

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// listens says what is heard: nothing while what was heard before is still dealt with, for
// signals are dealt with in the order in which they come.
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
		l.outside.Go(func() { l.upgrade("") }) // it tells by itself how that went
	case unix.SIGPIPE:
	default:
		if !l.ignored[sig] { // once: whoever sends one may send many
			l.log.Warn("signal ignored: it means nothing here", "signal", unix.SignalName(sig.(syscall.Signal)))
		}
		l.ignored[sig] = true
	}
}

// dealt goes on to what came meanwhile.
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

// hear begins to hear signals, or ends it when what was heard is dealt with.
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

// stopBySignal stops, or forces, or does nothing, as stops has it.
func (l *loop) stopBySignal(name string) {
	meaning := l.stops.meaning(time.Now())
	if meaning == stopRepeated {
		l.log.Debug("the stop signal came again at once: it is the same stop", "signal", name)
		return
	}
	l.deal(func() { l.stopAs(name, meaning == stopByForce) }, bySignal)
}
