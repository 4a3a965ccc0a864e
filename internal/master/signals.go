package master

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"relevo/internal/succession"
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
