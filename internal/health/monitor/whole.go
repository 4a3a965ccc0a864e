package monitor

import (
	"context"
	"net"

	"relevo/internal/config"
	"relevo/internal/health/ask"
	"relevo/internal/phrase"
	"relevo/upgrader/listeners"
)

// dialing connects to one worker.
func dialing(l *listeners.Listener, id string) func(context.Context) (net.Conn, error) {
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
			network, address = "tcp", reachable(l)
		}
		return ask.Target{Address: address, Dial: func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		}}, true
	}
	return ask.Target{}, false
}

// reachable is where this host reaches a TCP listener. Only IPv6 reaches one of tcp6:.
func reachable(l *listeners.Listener) string {
	if l.Network == config.TCP6 {
		return phrase.Reachable(l.Address, "::1")
	}
	return phrase.Reachable(l.Address, "127.0.0.1")
}
