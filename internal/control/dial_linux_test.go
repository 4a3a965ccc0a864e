package control_test

import (
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// dialAs connects to a Unix socket as another user. The effective user of a
// thread is its own as long as it is set by the bare system call; the thread is
// not used again.
func dialAs(uid int, path string) (net.Conn, error) {
	type answer struct {
		fd  int
		err error
	}
	answers := make(chan answer)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); errno != 0 {
			answers <- answer{-1, errno}
			return
		}
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
		}
		answers <- answer{fd, err}
	}()
	a := <-answers
	if a.err != nil {
		return nil, a.err
	}
	file := os.NewFile(uintptr(a.fd), path)
	defer file.Close()
	return net.FileConn(file)
}
