package sockdiag

import (
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// AddrPort returns the IP address and the port of what getsockname(2) and getpeername(2) give, and an
// invalid one for sockets of other families.
func AddrPort(name unix.Sockaddr) netip.AddrPort {
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(name.Addr), uint16(name.Port))
	case *unix.SockaddrInet6:
		address := netip.AddrFrom16(name.Addr)
		if name.ZoneId != 0 {
			address = address.WithZone(strconv.Itoa(int(name.ZoneId)))
		}
		return netip.AddrPortFrom(address, uint16(name.Port))
	}
	return netip.AddrPort{}
}
