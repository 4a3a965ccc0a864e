package master

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"relevo/internal/succession"
	"relevo/upgrader"
)

// taken are the signals that relevo handles. SIGPIPE is one of them, so that a closed stdout is an
// error of a write and does not end the master. A handled signal, unlike an ignored one, has its
// default effect in workers.
//
// The end of PID 1 ends the whole container. The kernel delivers to it only signals that have a
// handler, but the Go runtime has a handler for each, which ends the program. So as PID 1 the
// master handles all of them: only SIGKILL ends it.
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

// stopWanted says whether one of the waiting signals asks for a stop; for a SIGHUP, hungUp decides.
// The other signals keep waiting.
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
		default: // the queue is full: this one would change nothing
		}
	}
	return false
}
