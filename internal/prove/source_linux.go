package prove

import (
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// loopbackSources is how many addresses share the load of one loopback target.
const loopbackSources = 8

// sourcesFor returns the local addresses to connect from. All of 127.0.0.0/8 is
// local on Linux, so a loopback target gets several, each with its own ports.
func sourcesFor(remote netip.Addr) []netip.Addr {
	if !remote.Is4() || !remote.IsLoopback() {
		return nil
	}
	sources := make([]netip.Addr, loopbackSources)
	for i := range sources {
		sources[i] = netip.AddrFrom4([4]byte{127, 0, 0, byte(i + 1)})
	}
	return sources
}

// prepare lets connect choose the local port. Without IP_BIND_ADDRESS_NO_PORT, see
// ip(7), bind would choose it, not knowing the peer, and run out far earlier.
func (e *endpoint) prepare(_, _ string, c syscall.RawConn) error {
	if e.network == "unix" {
		return nil
	}
	return c.Control(func(fd uintptr) {
		// An old kernel without the option costs ports, not correctness.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		if e.control != nil {
			e.control(fd)
		}
	})
}
