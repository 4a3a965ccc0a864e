package ipc

import (
	"os"

	"golang.org/x/sys/unix"
)

// sendWith sends as much of a line as the peer takes, and a descriptor with it (unix(7),
// SCM_RIGHTS). If the file is closed, it sends nothing.
func sendWith(conn *os.File, line []byte, file *os.File) (n int, err error) {
	socket, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	descriptor, err := file.SyscallConn()
	if err != nil {
		return 0, nil // it was closed
	}
	var failed error
	err = socket.Write(func(to uintptr) bool {
		_ = descriptor.Control(func(fd uintptr) {
			n, failed = unix.SendmsgN(int(to), line, unix.UnixRights(int(fd)), nil, unix.MSG_NOSIGNAL)
		})
		return failed != unix.EAGAIN
	})
	if err == nil {
		err = failed
	}
	return max(n, 0), err
}
