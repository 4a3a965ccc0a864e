//go:build unix

package dev

import (
	"os"
	"os/exec"
	"syscall"
)

func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// signalGroup sends a signal to the process group of a job. The kernel does not give the leader's
// pid to another process while the group has a member.
func signalGroup(leader int, sig os.Signal) error {
	return syscall.Kill(-leader, sig.(syscall.Signal))
}
