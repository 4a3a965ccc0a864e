package monitor

import (
	"context"
	"net"
	"net/netip"

	"relevo/internal/health/ask"
	"relevo/upgrader"
)

// dialing connects to one worker.
func dialing(l *upgrader.Listener, id string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) { return l.Dial(ctx, id) }
}

// wholeTarget is the pool as any client reaches it; ok is false if it has no stream listener.
func (m *Monitor) wholeTarget() (ask.Target, bool) {
	for _, l := range m.o.Listeners().Listeners() {
		if l.Datagram() {
			continue
		}
		network, address := "unix", l.Address
		if !l.Network.IsUnix() {
			network, address = "tcp", reachable(l.Address)
		}
		return ask.Target{Address: address, Dial: func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		}}, true
	}
	return ask.Target{}, false
}

// reachable returns an address at which this host reaches a listener.
func reachable(address string) string {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().IsUnspecified() {
		return address
	}
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if at.Addr().Is6() {
		loopback = netip.IPv6Loopback()
	}
	return netip.AddrPortFrom(loopback, at.Port()).String()
}
