//go:build !linux

package prove

import (
	"net/netip"
	"syscall"
)

// sourcesFor returns none: outside Linux only 127.0.0.1 is sure to be local, so
// fresh connections are bounded by the ports of one address.
func sourcesFor(netip.Addr) []netip.Addr { return nil }

func (e *endpoint) prepare(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		if e.control != nil {
			e.control(fd)
		}
	})
}
