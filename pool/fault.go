package pool

import "syscall"

// atFault says whether a worker's death speaks against its program, provided that
// nobody asked it to leave: it exited, or crashed. A signal from outside does not.
func (m *member) atFault(status ExitStatus) bool {
	if m.signalled || status.Error != "" {
		return false
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
