package launch

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/procfs"
	"relevo/pool"
)

// file returns the pidfd, by which another master can adopt the process.
func (h *handle) file() *os.File { return h.pidfd }

// adoptPidfd makes the handle refer to a process that another master has started.
func (h *handle) adoptPidfd(pidfd *os.File) { h.pidfd = pidfd }

// lives says whether the process has not ended.
func (h *handle) lives() bool {
	raw, err := h.pidfd.SyscallConn()
	if err != nil {
		return false
	}
	raw.Control(func(fd uintptr) { err = unix.PidfdSendSignal(int(fd), 0, nil, 0) })
	return err == nil || errors.Is(err, unix.EPERM)
}

// detachable says whether another master can adopt the process.
func (h *handle) detachable() bool { return h.pidfd != nil }

// statusUnknown is the status of an adopted process that another process reaped, on a
// kernel that keeps no record of it.
var statusUnknown = pool.ExitStatus{Error: "exit status unknown (adopted)"}

// lastLook learns how a dead process ended if it is not a child of this process. A
// previous master started it, and its present parent may reap it at any moment. For an
// own child it returns only ours.
func (h *handle) lastLook(pid int) (status pool.ExitStatus, ours bool) {
	raw, err := h.pidfd.SyscallConn()
	if err != nil {
		return statusUnknown, false
	}
	raw.Control(func(fd uintptr) {
		err = unix.Waitid(unix.P_PIDFD, int(fd), nil, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil)
		if !errors.Is(err, unix.ECHILD) {
			ours = true
			return
		}
		status = statusOfStranger(int(fd), pid)
	})
	return status, ours
}

// statusOfStranger also ends the process group, while the dead process is not reaped and
// so keeps the group's number from being reused.
func statusOfStranger(pidfd, pid int) pool.ExitStatus {
	code, seen := zombieStatus(pid)
	if unix.PidfdSendSignal(pidfd, 0, nil, 0) == nil {
		unix.Kill(-pid, unix.SIGKILL)
		if seen {
			return exitStatus(code) // it was not reaped meanwhile, so the status belongs to it
		}
	}
	return recordedStatus(pidfd)
}

// zombieStatus reads the exit status of a process that is not yet reaped.
func zombieStatus(pid int) (status syscall.WaitStatus, ok bool) {
	stat, err := procfs.Of(pid).Stat()
	if err != nil {
		return 0, false
	}
	code, ok := stat.ExitCode()
	// Without the right to look the kernel shows 0.
	return syscall.WaitStatus(code), ok && (code != 0 || os.Geteuid() == 0 || userOf(pid) == os.Geteuid())
}

func userOf(pid int) int {
	var stat unix.Stat_t
	if unix.Stat(fmt.Sprintf("/proc/%d", pid), &stat) != nil {
		return -1
	}
	return int(stat.Uid)
}

// recordPatience is how long to wait for the record, which the kernel makes when the
// process's parent reaps it.
const recordPatience = 100 * time.Millisecond

// recordedStatus asks the kernel, which keeps the status of a reaped process as long as a
// pidfd of it is open (PIDFD_INFO_EXIT, Linux 6.15).
func recordedStatus(pidfd int) pool.ExitStatus {
	for deadline := time.Now().Add(recordPatience); ; {
		info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
		err := unix.IoctlPidfdInfo(pidfd, &info)
		if err == nil && info.Mask&unix.PIDFD_INFO_EXIT != 0 {
			return exitStatus(syscall.WaitStatus(info.Exit_code))
		}
		left := time.Until(deadline)
		if left <= 0 || errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) {
			return statusUnknown
		}
		// The pidfd of a reaped process hangs up, which poll reports even if not asked for.
		unix.Poll([]unix.PollFd{{Fd: int32(pidfd)}}, int(left.Milliseconds())+1)
	}
}
