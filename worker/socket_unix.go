//go:build unix

package worker

import (
	"fmt"
	"net"
	"syscall"
)

// describe reports what kind of socket a descriptor is. It asks only: nothing
// of the shared socket changes.
func describe(fd int) (stream bool, addr net.Addr, err error) {
	kind, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TYPE)
	if err != nil {
		return false, nil, fmt.Errorf("%w: %w", errNotSocket, err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		return false, nil, fmt.Errorf("cannot ask for its address: %w", err)
	}
	stream = kind == syscall.SOCK_STREAM
	if stream {
		if on, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN); err == nil && on == 0 {
			return true, nil, errNotSocket
		}
	}
	if addr = netAddr(sa, stream); addr == nil {
		return stream, nil, errNotSocket
	}
	return stream, addr, nil
}

func netAddr(sa syscall.Sockaddr, stream bool) net.Addr {
	var ip net.IP
	var port int
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		ip, port = net.IP(sa.Addr[:]), sa.Port
	case *syscall.SockaddrInet6:
		ip, port = net.IP(sa.Addr[:]), sa.Port
	case *syscall.SockaddrUnix:
		if stream {
			return &net.UnixAddr{Name: sa.Name, Net: "unix"}
		}
		return &net.UnixAddr{Name: sa.Name, Net: "unixgram"}
	default:
		return nil
	}
	if stream {
		return &net.TCPAddr{IP: ip, Port: port}
	}
	return &net.UDPAddr{IP: ip, Port: port}
}

func isStream(fd int) bool {
	kind, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_TYPE)
	return err == nil && kind == syscall.SOCK_STREAM
}

func closeOnExec(fd int) { syscall.CloseOnExec(fd) }

// arrived reports whether bytes wait on the connection. It takes none of them.
func arrived(c net.Conn) bool {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	n := 0
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, _ = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	return err == nil && n > 0
}
