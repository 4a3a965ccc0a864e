//go:build !linux

package launch

import (
	"os"
	"syscall"
)

// openDir opens a directory to enter it later.
func openDir(path string) (*os.File, error) { return os.Open(path) }

// closeOnExecFrom lets the exec close the descriptors from fd on. Without close_range(2) it
// stops at a number that programs seldom exceed.
func closeOnExecFrom(fd int) {
	for stray := fd; stray < 1024; stray++ {
		syscall.CloseOnExec(stray)
	}
}

func unblockSignals() {}
