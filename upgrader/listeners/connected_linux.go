package listeners

import (
	"fmt"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"relevo/internal/sockdiag"
)

// peer is the only client from which a UDP socket takes packets, because a worker called
// connect(2); empty: it takes those of all.
func (l *Listener) peer() string {
	if !l.Datagram() {
		return ""
	}
	name, err := unix.Getpeername(int(l.file.Fd()))
	if err != nil {
		return ""
	}
	if address := sockdiag.AddrPort(name); address.IsValid() {
		return address.String()
	}
	return "a socket"
}

// disconnect undoes connect(2). A port that the kernel chose goes with it, and is bound
// again.
func (l *Listener) disconnect() error {
	fd := int(l.file.Fd())
	none := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&none)), unsafe.Sizeof(none))
	if errno != 0 {
		return fmt.Errorf("cannot disconnect listener %s: %w", l.Name, errno)
	}
	if boundPort(fd) != 0 {
		return nil
	}
	at, err := netip.ParseAddrPort(l.Address)
	if err != nil {
		return nil
	}
	six := &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()}
	if zone, err := strconv.Atoi(at.Addr().Zone()); err == nil {
		six.ZoneId = uint32(zone)
	}
	var to unix.Sockaddr = six
	if family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err == nil && family == unix.AF_INET {
		to = &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().Unmap().As4()}
	}
	if err := unix.Bind(fd, to); err != nil {
		return fmt.Errorf("cannot bind listener %s again: %w", l.Name, err)
	}
	return nil
}
