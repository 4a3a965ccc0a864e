package listeners

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"relevo/internal/sockdiag"
)

// describe asks a socket what it is. Streams must listen.
func describe(fd int) (e endpoint, err error) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return e, fmt.Errorf("descriptor %d is no socket: %w", fd, err)
	}
	switch kind {
	case unix.SOCK_STREAM:
		if listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || listens == 0 {
			return e, errors.New("it does not listen; its .socket unit must not have Accept=yes")
		}
	case unix.SOCK_DGRAM:
		e.datagram = true
	default:
		return e, fmt.Errorf("it is neither a stream nor a datagram socket (type %d)", kind)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return e, err
	}
	e.ip = sockdiag.AddrPort(name)
	switch name := name.(type) {
	case *unix.SockaddrInet4:
	case *unix.SockaddrInet6:
		only6, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		if err != nil {
			return e, err
		}
		e.only6 = only6 == 1
	case *unix.SockaddrUnix:
		e.unix, e.address = true, name.Name
		return e, nil
	default:
		return e, errors.New("it is neither an internet socket nor a Unix socket")
	}
	e.address = e.ip.String()
	return e, nil
}
