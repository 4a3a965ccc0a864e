package upgrader

import (
	"os"

	"golang.org/x/sys/unix"
)

func receive(socket *os.File) (*Received, error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fds map[string]int
	var failed error
	if err := raw.Control(func(fd uintptr) { fds, failed = receiveFiles(int(fd)) }); err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, failed
	}
	return newReceived(fds)
}

func closeOnExec(fds ...int) {
	for _, fd := range fds {
		unix.CloseOnExec(fd)
	}
}
