package launch

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"relevo/internal/launch/shim"
	"relevo/pool"
)

// passing says whether an error number stands for a shortage or for a temporary obstacle. A
// start that fails with it says nothing about the program that was to be started.
func passing(number syscall.Errno) bool {
	switch number {
	case syscall.EMFILE, syscall.ENFILE, syscall.EAGAIN, syscall.ENOMEM, syscall.ENOBUFS, syscall.ENOSPC, syscall.EDQUOT,
		syscall.ENOLCK:
		return true // used up
	case syscall.EINTR, syscall.EBUSY, syscall.ETXTBSY, syscall.EPIPE, syscall.ECONNRESET, syscall.EPROTO:
		return true // in the middle of something
	case syscall.EIO, syscall.ESTALE, syscall.ETIMEDOUT, syscall.ENOTCONN, syscall.EHOSTDOWN:
		return true // a disk or a server that does not answer
	}
	return false
}

// IsShortage says whether an error stands for a shortage of this process or its machine, or
// for a temporary obstacle.
func IsShortage(err error) bool {
	var number syscall.Errno
	return errors.As(err, &number) && passing(number)
}

// unstarted makes a MasterError of an error from before the worker's program ran: the
// program is not to blame.
func unstarted(err error) *pool.MasterError {
	return &pool.MasterError{Err: err, Hint: shortageHint(err)}
}

// shortageHint says what has run out and how to get more of it.
func shortageHint(err error) string {
	var number syscall.Errno
	if !errors.As(err, &number) {
		return ""
	}
	switch number {
	case syscall.EMFILE:
		return fmt.Sprintf("this master has as many files open as it may (%s): prlimit --pid %d --nofile=65536 gives it "+
			"more at once, LimitNOFILE= of its unit for good",
			openFileLimit(), os.Getpid())
	case syscall.ENFILE:
		return "this machine has as many files open as it may: sysctl fs.file-max, fs.file-nr"
	case syscall.EAGAIN:
		return "no more processes are allowed: look at TasksMax= of the unit (pids.max of its cgroup), ulimit -u, " +
			"sysctl kernel.pid_max"
	case syscall.ENOMEM:
		return "there is no memory left for a process: look at MemoryMax= of the unit (memory.max of its cgroup), " +
			"free -m, sysctl vm.overcommit_memory"
	case syscall.ENOSPC, syscall.EDQUOT:
		return "a disk, a quota, or a kernel's limit is used up: df, df -i"
	}
	return ""
}

func openFileLimit() string {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return "unknown"
	}
	return shim.RlimitText(limit.Cur)
}
