package shim

import (
	"syscall"
	"unsafe"

	"relevo/internal/capture/filter"
)

func announceFilter(channel int) error { return filter.Announce(channel) }

// unblockSignals empties the signal mask of the thread that execs, which programs expect at their
// start. A master that was exec'd in place may have blocked some signals.
func unblockSignals() {
	const setMask = 2 // SIG_SETMASK
	var none uint64   // as long as the kernel's own signal set
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, setMask, uintptr(unsafe.Pointer(&none)), 0, unsafe.Sizeof(none), 0, 0)
}

// closeOnExecFrom lets the exec close every descriptor from fd on, so that the worker does
// not inherit descriptors that the master has open without knowing.
func (c Calls) closeOnExecFrom(fd int) {
	const maximal, closeOnExec = 1<<31 - 1, 1 << 2 // CLOSE_RANGE_CLOEXEC of <linux/close_range.h>
	if _, _, errno := syscall.RawSyscall(uintptr(c.CloseRange), uintptr(fd), maximal, closeOnExec); errno != 0 {
		closeOnExecBelow1024(fd) // before Linux 5.11
	}
}

// execDescriptor runs the program in an open file: execveat(2) with
// AT_EMPTY_PATH. It returns only if that fails.
func (c Calls) execDescriptor(fd int, args, env []string) error {
	argv, err := syscall.SlicePtrFromStrings(args)
	if err != nil {
		return err
	}
	envp, err := syscall.SlicePtrFromStrings(env)
	if err != nil {
		return err
	}
	// At its start the Go runtime raises the soft limit of open files, and syscall.Exec
	// restores it for the new program. This call fails, but only after it has done that.
	syscall.Exec("", nil, nil)
	const emptyPath = 0x1000 // AT_EMPTY_PATH
	empty := [1]byte{}
	// A raw call keeps the runtime's only processor (GOMAXPROCS=1), so that the runtime
	// cannot start a thread at the moment in which the kernel ends all of them.
	_, _, errno := syscall.RawSyscall6(uintptr(c.Execveat), uintptr(fd), uintptr(unsafe.Pointer(&empty[0])),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envp[0])), emptyPath, 0)
	return errno
}

func sleep(nanoseconds int64) {
	pause := syscall.NsecToTimespec(nanoseconds)
	_ = syscall.Nanosleep(&pause, nil)
}
