package launch

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// openDir opens a directory to enter it later. O_PATH needs no permission to read it.
func openDir(path string) (*os.File, error) {
	return os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY, 0)
}

// unblockSignals empties the signal mask, which programs expect at their start. A master
// that was exec'd in place may have blocked some signals.
func unblockSignals() {
	runtime.LockOSThread() // the program gets the mask of the thread that execs
	unix.PthreadSigmask(unix.SIG_SETMASK, new(unix.Sigset_t), nil)
}

// closeOnExecFrom lets the exec close every descriptor from fd on, so that the worker does
// not inherit descriptors that the master has open without knowing.
func closeOnExecFrom(fd int) {
	if unix.CloseRange(uint(fd), ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	for stray := fd; stray < 1024; stray++ { // before Linux 5.11
		unix.CloseOnExec(stray)
	}
}
