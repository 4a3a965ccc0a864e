//go:build !linux

package listeners

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// Unpolled is for Linux. It closes the socket.
func Unpolled(fd int, _ string) (*os.File, error) {
	syscall.Close(fd)
	return nil, fmt.Errorf("cannot take over a socket: not on %s", runtime.GOOS)
}
