package systemd

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// send sends one datagram, with descriptors if there are any. If the manager's queue is full, it
// waits for patience and then returns EAGAIN. Each message has a socket of its own, because a
// manager that was executed again may have bound a new socket to the address.
func send(address, message string, fds []int, patience time.Duration) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("cannot notify the service manager: %w", err)
	}
	defer unix.Close(fd)
	// Only for a connected socket poll(2) reports that the receiver has room.
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: address}); err != nil {
		return fmt.Errorf("cannot notify the service manager at %s: %w", address, err)
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	for deadline := time.Now().Add(patience); ; {
		err := unix.Sendmsg(fd, []byte(message), rights, nil, unix.MSG_NOSIGNAL)
		left := time.Until(deadline)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN) && left > 0:
			unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, int(left.Milliseconds())+1)
		case errors.Is(err, unix.EAGAIN):
			return fmt.Errorf("cannot notify the service manager at %s: it does not read, and its queue is full: %w", address,
				err)
		default:
			return fmt.Errorf("cannot notify the service manager at %s: %w", address, err)
		}
	}
}
