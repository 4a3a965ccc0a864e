package master

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

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

// signalReader turns signals into requests.
type signalReader struct {
	*core
	*rolls
	*requests
	*replacement
	signals  chan os.Signal
	stops    stops
	terminal *hangup.Watch // nil: there is none
}

// serveSignals turns signals into requests until the pool has ended.
func (h *signalReader) serveSignals(ctx context.Context) {
	ignored := map[os.Signal]bool{}
	left, settled := h.terminal.Left(), make(chan hangup.Meaning, signalQueue)
	for {
		select {
		case <-ctx.Done():
			return
		case h.succession.Hearing.Idle <- struct{}{}:
		case <-left:
			if left = nil; h.terminal.Followed() {
				h.hungUp(hangup.Terminal, settled)
			}
		case meaning := <-settled:
			h.hungUp(meaning, settled)
		case sig := <-h.signals:
			switch sig.(syscall.Signal) {
			case unix.SIGHUP:
				h.hungUp(h.terminal.Meaning(), settled)
			case unix.SIGTERM, unix.SIGINT, unix.SIGQUIT:
				h.stopBySignal(sig.String())
			case unix.SIGTTIN:
				h.scaleBySignal(unix.SIGTTIN)
			case unix.SIGTTOU:
				h.scaleBySignal(unix.SIGTTOU)
			case unix.SIGUSR2:
				h.later.Go(func() { h.upgrade("") }) // it tells by itself how that went
			case unix.SIGPIPE:
			default:
				if !ignored[sig] { // once: whoever sends one may send many
					h.log.Warn("signal ignored: it means nothing here", "signal", unix.SignalName(sig.(syscall.Signal)))
				}
				ignored[sig] = true
			}
		}
	}
}

// reloadBySignal replaces relevo first where it has changed itself: the next master
// reloads then.
func (h *signalReader) reloadBySignal() {
	h.succession.Owed.Reload()
	h.later.Go(func() {
		if !h.upgradeFirst(succession.ThenReload) {
			h.requestReload(causeSignal)
		}
	})
}

// stopBySignal stops, or forces, or does nothing, as stops has it.
func (h *signalReader) stopBySignal(name string) {
	meaning := h.stops.meaning(time.Now())
	if meaning == stopRepeated {
		h.log.Debug("the stop signal came again at once: it is the same stop", "signal", name)
		return
	}
	h.stopAs(name, meaning == stopByForce)
	h.stops.accept(time.Now())
}

func (h *signalReader) stopAs(name string, again bool) {
	err := h.Stop(again)
	switch {
	case errors.Is(err, pool.ErrHandedOver):
		// The successor does it, or this master after a thaw, which may just have been.
		h.succession.AskStop(again)
		h.log.Info("stopping: by whoever is the master in a moment", "signal", name)
		h.afterThaw(func() {
			if asked, force := h.succession.TakeStop(); asked {
				h.stopAs(name, force)
			}
		})
	case err != nil && !errors.Is(err, pool.ErrNotRunning):
		h.log.Error("cannot stop", "err", err)
	case again:
		h.log.Warn("stopping by force: workers are killed", "signal", name)
	default:
		h.log.Info("stopping: workers finish what they have accepted; a second signal forces", "signal", name)
	}
}

func (h *signalReader) scaleBySignal(sig syscall.Signal) {
	change := "+1"
	if sig == unix.SIGTTOU {
		change = "-1"
	}
	_, err := h.Scale(change)
	switch {
	case errors.Is(err, pool.ErrHandedOver):
		h.succession.Owed.Scale(sig) // for the next master, or for this one
		h.afterThaw(func() {
			for _, sig := range h.succession.Owed.TakeScales() {
				h.scaleBySignal(sig)
			}
		})
	case err != nil:
		h.log.Error("not scaled", "err", err)
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
