package pool

import (
	"errors"
	"syscall"

	"relevo/pool/machine"
)

// MasterError says that the master could not start a worker, because it or the machine
// has run out of something, or because a file was replaced meanwhile. The worker's
// program did not run, so the error says nothing about it.
type MasterError struct {
	Err  error
	Hint string // what a person can do about it, empty where Err says it all
}

func (e *MasterError) Error() string { return e.Err.Error() }
func (e *MasterError) Unwrap() error { return e.Err }

func asMasterError(err error) *MasterError {
	var master *MasterError
	if errors.As(err, &master) {
		return master
	}
	return &MasterError{Err: err}
}

// blame says what the end of a worker speaks against.
func (m *member) blame(r Exited) machine.Blame {
	switch {
	case r.Unstarted != nil:
		return machine.BlameMaster
	case m.atFault(r.Status):
		return machine.BlameProgram
	}
	return machine.NoBlame
}

// leftInOrder says whether a worker has ended as it had said: without an error, after the
// word that it leaves by itself (worker.disconnect of Node's cluster, Draining).
func (m *member) leftInOrder(status ExitStatus) bool {
	return m.state == machine.Draining && status.Error == "" && status.Signal == 0 && status.Code == 0
}

// atFault says whether the program is to blame for the death of a worker that was not
// asked to leave. It is if the program exited or crashed, or if the kernel killed it for
// lack of memory; it is not if the worker got a signal from outside.
func (m *member) atFault(status ExitStatus) bool {
	if m.signalled || status.Error != "" {
		return false
	}
	if status.OutOfMemory {
		return true
	}
	return status.Signal == 0 || faulty(status.Signal)
}

// faulty says whether a program gets the signal for what it does itself.
func faulty(sig syscall.Signal) bool {
	switch sig {
	case syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGILL, syscall.SIGFPE, syscall.SIGSYS,
		syscall.SIGTRAP, syscall.SIGXCPU, syscall.SIGXFSZ:
		return true
	}
	return false
}

// ends says whether people use the signal to end programs.
func ends(sig syscall.Signal) bool {
	switch sig {
	case syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL:
		return true
	}
	return false
}
