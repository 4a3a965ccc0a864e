package listeners

import (
	"maps"
	"net/netip"
)

// handshake is a connection whose client's last word of the handshake is not there yet.
type handshake struct{ local, remote netip.AddrPort }

type handshakes map[handshake]struct{}

// keep forgets those that are not under way any more.
func (h handshakes) keep(now handshakes) {
	maps.DeleteFunc(h, func(one handshake, _ struct{}) bool {
		_, still := now[one]
		return !still
	})
}
