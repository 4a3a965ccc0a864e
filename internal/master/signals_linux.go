package master

import (
	"os"

	"golang.org/x/sys/unix"
)

// onlyLinux are signals that other systems do not have.
func onlyLinux() []os.Signal { return []os.Signal{unix.SIGSTKFLT, unix.SIGPWR, unix.SIGIO} }
