package seats

import "net/netip"

// handshake is a connection that waits for the last packet of the client's handshake.
type handshake struct{ local, remote netip.AddrPort }

type handshakes map[handshake]struct{}

// keep drops the handshakes that have ended. It looks each of them up, because for a list of
// an address the kernel would go through all connections of the host.
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
