//go:build unix

package dev

import (
	"os"
	"os/exec"
	"syscall"
)

func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// signalGroup sends a signal to the process group that a job leads. Its number is
// the leader's pid, which nobody else gets while one of the group is left.
func signalGroup(leader int, sig os.Signal) error {
	return syscall.Kill(-leader, sig.(syscall.Signal))
}
