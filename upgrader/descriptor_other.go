//go:build !linux

package upgrader

import (
	"errors"
	"os"
	"syscall"
)

var errOnlyLinux = errors.New("a master is replaced on Linux only")

func memoryFile(string) (*os.File, error) { return nil, errOnlyLinux }

func closeFD(fd int) { syscall.Close(fd) }

func copyFD(int) (int, error) { return -1, errOnlyLinux }

func unpolledFile(fd int, _ string) (*os.File, error) {
	syscall.Close(fd)
	return nil, errOnlyLinux
}

func passSocket(map[string]*os.File) (*os.File, func(), error) { return nil, nil, errOnlyLinux }

func talkPair() (ours, theirs *os.File, err error) { return nil, nil, errOnlyLinux }

func receive(*os.File) (*Received, error) { return nil, errOnlyLinux }

func closeOnExec(fds ...int) {
	for _, fd := range fds {
		syscall.CloseOnExec(fd)
	}
}
