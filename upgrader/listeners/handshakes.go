package listeners

import "net/netip"

// handshake is a connection that waits for the client's last word of its handshake.
type handshake struct{ local, remote netip.AddrPort }

type handshakes map[handshake]struct{}

// keep forgets those that are not under way any more. It asks for each: to find all of
// an address, the kernel looks through all connections of the host.
func (h handshakes) keep() error {
	if len(h) == 0 {
		return nil
	}
	d, err := openDiag()
	if err != nil {
		return err
	}
	defer d.close()
	for one := range h {
		yes, err := d.underWay(one)
		if err != nil {
			return err
		}
		if !yes {
			delete(h, one)
		}
	}
	return nil
}
