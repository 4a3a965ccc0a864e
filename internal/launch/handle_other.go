//go:build !linux

package launch

import (
	"fmt"
	"os"
	"syscall"

	"relevo/pool"
)

// handle refers to a process. Without pidfds that is an os.Process, whose Wait takes a
// thread for each worker.
type handle struct {
	children Children
	child    *os.Process
}

func (h *handle) prepare(*syscall.SysProcAttr) {}

func (h *handle) setChild(child *os.Process) { h.child = child }

// wait returns when the process is dead and reaped, its process group killed.
func (h *handle) wait(pid int) (status pool.ExitStatus, ended bool) {
	return h.waitForChild(pid), true
}

// detachable returns false: without a pidfd no other master can adopt a process.
func (h *handle) detachable() bool    { return false }
func (h *handle) lives() bool         { return false }
func (h *handle) detach()             {}
func (h *handle) adoptPidfd(*os.File) {}
func (h *handle) file() *os.File      { return nil }

func (h *handle) waitForChild(pid int) pool.ExitStatus {
	state, err := h.child.Wait()
	syscall.Kill(-pid, syscall.SIGKILL)
	if err != nil {
		return pool.ExitStatus{Error: fmt.Sprintf("cannot learn how it ended: %v", err)}
	}
	status := state.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return pool.ExitStatus{Signal: status.Signal(), Core: status.CoreDump()}
	}
	return pool.ExitStatus{Code: status.ExitStatus()}
}

func (h *handle) signal(sig syscall.Signal) error { return h.child.Signal(sig) }

func (h *handle) killGroup(pid int) error { return syscall.Kill(-pid, syscall.SIGKILL) }

// closeWrite ends the master's half of a socketpair.
func closeWrite(f *os.File) {
	if raw, err := f.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { syscall.Shutdown(int(fd), syscall.SHUT_WR) })
	}
}

// unread exists on Linux only. Other systems wait for outputGrace.
func unread(*os.File) bool { return false }

func selfPath() (string, error) { return os.Executable() }

func processGroup(pid int) int {
	group, err := syscall.Getpgid(pid)
	if err != nil {
		return 0
	}
	return group
}
