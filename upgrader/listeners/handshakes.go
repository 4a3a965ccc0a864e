package listeners

import (
	"maps"
	"net/netip"
)

// handshake is a connection that waits for the client's last word of its handshake.
type handshake struct{ local, remote netip.AddrPort }

type handshakes map[handshake]struct{}

// keep forgets those that are not under way any more.
func (h handshakes) keep(now handshakes) {
	maps.DeleteFunc(h, func(one handshake, _ struct{}) bool {
		_, still := now[one]
		return !still
	})
}

// keepEach is keep for a few, by asking for each.
func (h handshakes) keepEach(still func(handshake) (bool, error)) error {
	for one := range h {
		yes, err := still(one)
		if err != nil {
			return err
		}
		if !yes {
			delete(h, one)
		}
	}
	return nil
}
