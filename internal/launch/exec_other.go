//go:build !linux

package launch

import (
	"os"
	"syscall"
)

// execsByDescriptor returns false: only Linux has execveat(2).
func execsByDescriptor() bool { return false }

func execDescriptor(int, []string, []string) error { return syscall.ENOSYS }

// runs returns false: only Linux shows it.
func runs(int, *os.File) bool { return false }

// hasArguments returns false: only Linux shows it.
func hasArguments(int, []string) bool { return false }
