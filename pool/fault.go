package pool

import (
	"errors"
	"syscall"

	"relevo/pool/machine"
)

// MasterError says that the master could not start a worker: it or the machine
// has run out of something, or a file was replaced meanwhile. The worker's program
// did not run, and nothing is known of it.
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

// atFault says whether a worker's death speaks against its program, provided that
// nobody asked it to leave: it exited, or crashed, or took so much memory that the
// kernel killed it. A signal from outside does not.
func (m *member) atFault(status ExitStatus) bool {
	if m.signalled || status.Error != "" {
		return false
	}
	if status.OutOfMemory {
		return true
	}
	switch status.Signal {
	case 0, syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGILL, syscall.SIGFPE,
		syscall.SIGSYS, syscall.SIGTRAP, syscall.SIGXCPU, syscall.SIGXFSZ:
		return true
	}
	return false
}

// ends says whether the signal is one by which people end programs.
func ends(sig syscall.Signal) bool {
	switch sig {
	case syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL:
		return true
	}
	return false
}
