package launch

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"relevo/pool"
)

// handle refers to a process by a pidfd (pidfd_open(2)), which never refers to another
// process later, and on which the runtime's poller waits without a thread. If the kernel
// gives none, it falls back on os.Process.
type handle struct {
	children Children
	fd       int
	pidfd    *os.File
	child    *os.Process // fallback

	mu        sync.Mutex
	reaped    bool // the pid and the group's id may belong to other processes by now
	detaching bool // another master waits for the process from now on
}

func (h *handle) prepare(attr *syscall.SysProcAttr) {
	h.fd = -1
	attr.PidFD = &h.fd
}

// setChild makes the handle refer to a child that was just started.
func (h *handle) setChild(child *os.Process) {
	if h.fd < 0 || unix.SetNonblock(h.fd, true) != nil {
		h.child = child
		return
	}
	h.pidfd = os.NewFile(uintptr(h.fd), "pidfd")
	child.Release()
}

// wait returns when the process and its group are dead and reaped. It returns false if
// detach was called first.
func (h *handle) wait(pid int) (status pool.ExitStatus, ended bool) {
	if h.pidfd == nil {
		return h.waitByThread(pid), true
	}
	if err := h.awaitDeath(); h.isDetached(err) {
		return status, false
	} else if err != nil {
		h.pidfd.Close()
		return h.waitByThread(pid), true
	}
	defer h.pidfd.Close()
	return h.reap(pid), true
}

// reap ends the process group of a dead process and learns how the process ended. The
// order matters: until the dead process is reaped, no other process can get its pid or
// the group's.
func (h *handle) reap(pid int) pool.ExitStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	if seen, ours := h.lastLook(pid); !ours {
		h.reaped = true
		h.children.Reap(pid, func() {}) // not a child of ours: its parent reaps it
		return seen
	}
	unix.Kill(-pid, unix.SIGKILL)
	h.reaped = true
	var status unix.WaitStatus
	var err error
	h.children.Reap(pid, func() {
		for {
			if _, err = unix.Wait4(pid, &status, 0, nil); !errors.Is(err, unix.EINTR) {
				return
			}
		}
	})
	if err != nil {
		return pool.ExitStatus{Error: fmt.Sprintf("cannot learn how it ended: %v", err)}
	}
	return exitStatus(syscall.WaitStatus(status))
}

// detach makes wait return, so that another master can wait, unless the process has ended.
func (h *handle) detach() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.detaching = true
	h.pidfd.SetReadDeadline(time.Unix(1, 0))
}

// isDetached says whether a wait ended because of detach.
func (h *handle) isDetached(err error) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.detaching && errors.Is(err, os.ErrDeadlineExceeded) && h.pidfd.SetReadDeadline(time.Time{}) == nil
}

// awaitDeath parks the goroutine until the pidfd is readable, without reaping.
func (h *handle) awaitDeath() error {
	raw, err := h.pidfd.SyscallConn()
	if err != nil {
		return err
	}
	h.mu.Lock()
	if !h.detaching {
		err = h.pidfd.SetReadDeadline(time.Time{})
	}
	h.mu.Unlock()
	if err != nil {
		return err // the runtime does not poll it: Read would spin or block
	}
	return raw.Read(func(fd uintptr) bool {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, 0)
		return err == nil && n == 1
	})
}

func (h *handle) waitByThread(pid int) pool.ExitStatus {
	child := h.child
	if child == nil {
		var err error
		if child, err = os.FindProcess(pid); err != nil {
			return pool.ExitStatus{Error: fmt.Sprintf("cannot wait for it: %v", err)}
		}
	}
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	unix.Kill(-pid, unix.SIGKILL)
	h.reaped = true
	var state *os.ProcessState
	var err error
	h.children.Reap(pid, func() { state, err = child.Wait() })
	if err != nil {
		return pool.ExitStatus{Error: fmt.Sprintf("cannot learn how it ended: %v", err)}
	}
	return exitStatus(state.Sys().(syscall.WaitStatus))
}

func (h *handle) signal(sig syscall.Signal) error {
	if h.pidfd == nil {
		return h.child.Signal(sig)
	}
	raw, err := h.pidfd.SyscallConn()
	if err != nil {
		return os.ErrProcessDone
	}
	failed := error(os.ErrProcessDone)
	raw.Control(func(fd uintptr) { failed = unix.PidfdSendSignal(int(fd), sig, nil, 0) })
	return failed
}

// killGroup sends SIGKILL to the process group, never after the worker was
// reaped, and to the worker itself, which may have left its group.
func (h *handle) killGroup(pid int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reaped {
		return os.ErrProcessDone
	}
	unix.Kill(-pid, unix.SIGKILL)
	return unix.Kill(pid, unix.SIGKILL)
}

func exitStatus(s syscall.WaitStatus) pool.ExitStatus {
	if s.Signaled() {
		return pool.ExitStatus{Signal: s.Signal(), Core: s.CoreDump()}
	}
	return pool.ExitStatus{Code: s.ExitStatus()}
}

// closeWrite ends the master's half of a socketpair.
func closeWrite(f *os.File) {
	if raw, err := f.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { unix.Shutdown(int(fd), unix.SHUT_WR) })
	}
}

// unread says whether bytes wait to be read (FIONREAD, which Linux also calls TIOCINQ).
func unread(f *os.File) bool {
	waiting := 0
	if raw, err := f.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { waiting, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	}
	return waiting > 0
}

// selfPath names the running binary by a link of the kernel's, which leads to it even after
// the file was replaced or deleted.
func selfPath() (string, error) { return "/proc/self/exe", nil }

// processGroup returns the process group of a process, 0 if it is gone.
func processGroup(pid int) int {
	group, err := unix.Getpgid(pid)
	if err != nil {
		return 0
	}
	return group
}
