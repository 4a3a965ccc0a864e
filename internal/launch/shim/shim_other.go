//go:build !linux

package shim

import "syscall"

// The filter and execveat(2) exist on Linux only.
func announceFilter(int) error { return syscall.ENOSYS }

func (Calls) execDescriptor(int, []string, []string) error { return syscall.ENOSYS }

func unblockSignals() {}

func (Calls) closeOnExecFrom(fd int) { closeOnExecBelow1024(fd) }

func sleep(nanoseconds int64) {
	pause := syscall.NsecToTimeval(nanoseconds / 1000 * 1000)
	_ = syscall.Select(0, nil, nil, nil, &pause)
}
