package master

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/succession"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/upgrader"
)

// taken are the signals that do not have their usual effect. SIGPIPE is one so
// that a closed stdout is an error of a write and not the end of the master; a
// handler, unlike ignoring it, is not inherited.
//
// As PID 1 of a container the master's end is everybody's, and the kernel lets
// only those signals through that have a handler. The runtime has one for each,
// which ends the program: there nothing but SIGKILL may.
func taken(init bool) []os.Signal {
	all := []os.Signal{unix.SIGHUP, unix.SIGTERM, unix.SIGINT, unix.SIGQUIT, unix.SIGTTIN, unix.SIGTTOU, unix.SIGUSR1,
		unix.SIGUSR2, unix.SIGPIPE}
	if init {
		all = append(all, unix.SIGABRT, unix.SIGALRM, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGSEGV, unix.SIGSYS,
			unix.SIGTRAP,
			unix.SIGTSTP, unix.SIGVTALRM, unix.SIGXCPU, unix.SIGXFSZ)
		all = append(all, onlyLinux()...)
	}
	return all
}

// ReplacedSignals takes the signals of a program that has replaced another one in its
// process (InPlace of upgrader), nil in every other. It belongs at the very beginning:
// until then they are ignored, or end the process.
func ReplacedSignals() chan os.Signal {
	if !upgrader.IsAfterExec() {
		return nil
	}
	signals := make(chan os.Signal, signalQueue)
	for _, sig := range succession.HandedSignals {
		signal.Notify(signals, sig)
	}
	return signals
}

// signalQueue is how many signals may wait.
const signalQueue = 16

// stopWanted says whether one of the signals that wait asks for the end; a SIGHUP does where
// hungUp says so. The others go on waiting.
func stopWanted(signals chan os.Signal, hungUp func() bool) bool {
	for range len(signals) {
		sig := <-signals
		switch sig {
		case unix.SIGTERM, unix.SIGINT, unix.SIGQUIT:
			return true
		case unix.SIGHUP:
			if hungUp() {
				return true
			}
		}
		select {
		case signals <- sig:
		default: // so many wait that this one would change nothing
		}
	}
	return false
}

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

// deal does outside of the loop what a signal asks for, and hears the next one afterwards.
func (l *loop) deal(do func(), stops stopKind) {
	l.dealing = true
	l.outside.Go(func() {
		do()
		l.box.post(dealt{stops})
	})
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

// reloadBySignal replaces relevo first where it has changed itself: the next master
// reloads then.
func (l *loop) reloadBySignal() {
	l.succession.Owed.Reload()
	l.outside.Go(func() {
		if !l.upgradeFirst(succession.ThenReload) {
			l.requestReload(causeSignal)
		}
	})
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

func (l *loop) stopAs(name string, again bool) {
	err := l.Stop(again)
	switch {
	case errors.Is(err, pool.ErrHandedOver):
		// The successor does it, or this master after a thaw, which may just have been.
		l.succession.AskStop(again)
		l.log.Info("stopping: by whoever is the master in a moment", "signal", name)
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
		l.log.Error("not scaled", "err", err)
	}
}

// causeSignal is the cause of a roll that SIGHUP has asked for.
const causeSignal = "SIGHUP"

// requestReload asks for a reload, as a person would.
func (rs *rolls) requestReload(cause string) { rs.box.post(rollWanted{cause: cause, reload: true}) }

// requestRoll asks for a roll with the configuration that serves: one that is
// being edited is read when its author says so.
func (rs *rolls) requestRoll(cause string) { rs.box.post(rollWanted{cause: cause}) }

// rollSettled tells systemd the end of a reload in any case, for `systemctl
// reload` waits for it.
func (c *core) rollSettled(result pool.RollResult, err error) {
	if err == nil {
		err = result.Error()
	}
	switch {
	case result.Result == machine.Aborted, errors.Is(err, pool.ErrNotRunning), errors.Is(err, context.Canceled):
		// The service is on its way out, and systemd knows it.
	case handedOver(err):
		// The next master tells.
	case err != nil:
		c.systemd.Ready("reload failed, the old workers serve on: " + err.Error())
	default:
		c.systemd.Ready(c.statusText())
	}
}
