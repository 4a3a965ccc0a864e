//go:build !linux

package launch

import "syscall"

// rlimits are the limits that every system has.
func rlimits() map[string]int {
	return map[string]int{
		"core": syscall.RLIMIT_CORE, "cpu": syscall.RLIMIT_CPU, "data": syscall.RLIMIT_DATA,
		"fsize": syscall.RLIMIT_FSIZE, "nofile": syscall.RLIMIT_NOFILE, "stack": syscall.RLIMIT_STACK,
	}
}
