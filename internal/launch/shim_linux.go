package launch

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// openDir opens a directory to enter it later, which takes no permission to read.
func openDir(path string) (*os.File, error) {
	return os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY, 0)
}

// unblockSignals gives the program the signal mask that programs expect, whatever
// the master's is: after an exec in place it holds some back.
func unblockSignals() {
	runtime.LockOSThread() // the mask of the thread that execs is the program's
	unix.PthreadSigmask(unix.SIG_SETMASK, new(unix.Sigset_t), nil)
}

// closeOnExecFrom lets the exec close every descriptor from fd on: whatever the
// master had open without knowing, the worker does not inherit.
func closeOnExecFrom(fd int) {
	if unix.CloseRange(uint(fd), ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	for stray := fd; stray < 1024; stray++ { // before Linux 5.11
		unix.CloseOnExec(stray)
	}
}
