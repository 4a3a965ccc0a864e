//go:build !linux

package launch

import (
	"os"
	"syscall"
)

// execsByDescriptor: only Linux can.
func execsByDescriptor() bool { return false }

func execDescriptor(int, []string, []string) error { return syscall.ENOSYS }

// runs cannot be seen elsewhere.
func runs(int, *os.File) bool { return false }

// hasArguments cannot be seen elsewhere.
func hasArguments(int, []string) bool { return false }
