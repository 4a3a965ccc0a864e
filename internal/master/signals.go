package master

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/control"
	"relevo/internal/hangup"
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

// serveSignals turns signals into requests until the pool has ended.
func (m *Master) serveSignals(ctx context.Context) {
	ignored := map[os.Signal]bool{}
	left, settled := m.terminal.Left(), make(chan hangup.Meaning, signalQueue)
	for {
		select {
		case <-ctx.Done():
			return
		case m.succession.Hearing.Idle <- struct{}{}:
		case <-left:
			if left = nil; m.terminal.Followed() {
				m.hungUp(hangup.Terminal, settled)
			}
		case meaning := <-settled:
			m.hungUp(meaning, settled)
		case sig := <-m.signals:
			switch sig.(syscall.Signal) {
			case unix.SIGHUP:
				m.hungUp(m.terminal.Meaning(), settled)
			case unix.SIGTERM, unix.SIGINT, unix.SIGQUIT:
				m.stopBySignal(sig.String())
			case unix.SIGTTIN:
				m.scaleBySignal(unix.SIGTTIN)
			case unix.SIGTTOU:
				m.scaleBySignal(unix.SIGTTOU)
			case unix.SIGUSR2:
				m.later.Go(func() { m.upgrade("") }) // it tells by itself how that went
			case unix.SIGPIPE:
			default:
				if !ignored[sig] { // once: whoever sends one may send many
					m.log.Warn("signal ignored: it means nothing here", "signal", unix.SignalName(sig.(syscall.Signal)))
				}
				ignored[sig] = true
			}
		}
	}
}

// reloadBySignal replaces relevo first where it has changed itself: the next master
// reloads then.
func (m *Master) reloadBySignal() {
	m.succession.Owed.Reload()
	m.later.Go(func() {
		if !m.upgradeFirst(succession.ThenReload) {
			m.requestReload(causeSignal)
		}
	})
}

// stopBySignal stops, or forces, or does nothing, as stops has it.
func (m *Master) stopBySignal(name string) {
	meaning := m.stops.meaning(time.Now())
	if meaning == stopRepeated {
		m.log.Debug("the stop signal came again at once: it is the same stop", "signal", name)
		return
	}
	m.stopAs(name, meaning == stopByForce)
	m.stops.accept(time.Now())
}

func (m *Master) stopAs(name string, again bool) {
	err := m.Stop(again)
	switch {
	case errors.Is(err, pool.ErrHandedOver):
		// The successor does it, or this master after a thaw, which may just have been.
		m.succession.AskStop(again)
		m.log.Info("stopping: by whoever is the master in a moment", "signal", name)
		m.afterThaw(func() {
			if asked, force := m.succession.TakeStop(); asked {
				m.stopAs(name, force)
			}
		})
	case err != nil && !errors.Is(err, pool.ErrNotRunning):
		m.log.Error("cannot stop", "err", err)
	case again:
		m.log.Warn("stopping by force: workers are killed", "signal", name)
	default:
		m.log.Info("stopping: workers finish what they have accepted; a second signal forces", "signal", name)
	}
}

func (m *Master) scaleBySignal(sig syscall.Signal) {
	change := "+1"
	if sig == unix.SIGTTOU {
		change = "-1"
	}
	_, err := m.Scale(change)
	switch {
	case errors.Is(err, pool.ErrHandedOver):
		m.succession.Owed.Scale(sig) // for the next master, or for this one
		m.afterThaw(func() {
			for _, sig := range m.succession.Owed.TakeScales() {
				m.scaleBySignal(sig)
			}
		})
	case err != nil:
		m.log.Error("not scaled", "err", err)
	}
}

// causeSignal is the cause of a roll that SIGHUP has asked for.
const causeSignal = "SIGHUP"

// rollRequest is a roll that nobody waits for.
type rollRequest struct {
	cause string
	begin func() (control.Wait, error)
}

// requestReload asks for a reload, as a person would.
func (m *Master) requestReload(cause string) {
	m.request(rollRequest{cause, func() (control.Wait, error) { return m.Reload(control.ReloadOptions{}) }})
}

// requestRoll asks for a roll with the configuration that serves: one that is
// being edited is read when its author says so.
func (m *Master) requestRoll(cause string) {
	m.request(rollRequest{cause, m.rollAgain})
}

// request lets two requests wait, one of each kind at best. A further one would
// change nothing that these do not.
func (m *Master) request(r rollRequest) {
	select {
	case m.reloads <- r:
	default:
	}
}

// serveReloads begins the rolls asked for by signals and the watch. It does not
// wait for their ends, so that a newer one can supersede the one under way.
func (m *Master) serveReloads(ctx context.Context) {
	var rolls sync.WaitGroup
	defer rolls.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case request := <-m.reloads:
			m.log.Info("roll asked for", "cause", request.cause)
			m.systemd.Reloading("rolling: " + request.cause)
			asked := m.succession.Owed.Reloads()
			wait, err := request.begin()
			if handedOver(err) {
				m.afterThaw(func() { m.request(request) }) // or the next master is told
				continue
			}
			if request.cause == causeSignal {
				m.succession.Owed.ReloadsDone(asked)
			}
			if err != nil {
				m.rollSettled(pool.RollResult{}, err)
				continue
			}
			rolls.Go(func() { m.rollSettled(wait(ctx)) })
		}
	}
}

// rollSettled tells systemd the end of a reload in any case, for `systemctl
// reload` waits for it.
func (m *Master) rollSettled(result pool.RollResult, err error) {
	if err == nil {
		err = result.Error()
	}
	switch {
	case result.Result == machine.Aborted, errors.Is(err, pool.ErrNotRunning), errors.Is(err, context.Canceled):
		// The service is on its way out, and systemd knows it.
	case handedOver(err):
		// The next master tells.
	case err != nil:
		m.systemd.Ready("reload failed, the old workers serve on: " + err.Error())
	default:
		m.systemd.Ready(m.statusText())
	}
}
