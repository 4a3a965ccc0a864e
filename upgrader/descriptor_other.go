//go:build !linux

package upgrader

import (
	"errors"
	"os"
	"syscall"
	"time"
)

var errOnlyLinux = errors.New("a master is replaced on Linux only")

func memoryFile(string) (*os.File, error) { return nil, errOnlyLinux }

func closeFD(fd int) { syscall.Close(fd) }

func copyFD(int) (int, error) { return -1, errOnlyLinux }

func passSocket(map[string]*os.File) (*os.File, func(), error) { return nil, nil, errOnlyLinux }

func talkPair() (ours, theirs *os.File, err error) { return nil, nil, errOnlyLinux }

func receive(*os.File) (*Received, error) { return nil, errOnlyLinux }

// Meeting is of Linux.
type Meeting struct{}

// Meet is not possible here.
func Meet(string) (*Meeting, error) { return nil, errOnlyLinux }

// Close does nothing.
func (*Meeting) Close() {}

// Accept is not possible here.
func (*Meeting) Accept(*Flip) (*Received, error) { return nil, errOnlyLinux }

// HandOver is not possible here.
func (*Flip) HandOver(string, Legacy, time.Duration) (int, error) { return 0, errOnlyLinux }

func (*Flip) previousEnded() bool { return true }

func closeOnExec(fds ...int) {
	for _, fd := range fds {
		syscall.CloseOnExec(fd)
	}
}
