package generations

import (
	"io/fs"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"relevo/internal/capture"
	"relevo/internal/config"
)

func bindOf(address string, kind, protocol int) capture.Bind {
	b := capture.Bind{Socket: capture.Socket{Type: kind, Protocol: protocol}}
	if path, isUnix := strings.CutPrefix(address, "unix:"); isUnix {
		b.Address = capture.Address{Family: syscall.AF_UNIX, Path: path}
		b.Maker.Mode = fs.FileMode(0o750)
		return b
	}
	b.Address = capture.Address{Family: syscall.AF_INET, IP: netip.MustParseAddrPort(address)}
	if b.Address.IP.Addr().Is6() {
		b.Address.Family = syscall.AF_INET6
	}
	return b
}

// TestServes: which binds are those of servers whose socket workers can share, and as which
// listener.
func TestServes(t *testing.T) {
	const (
		stream, datagram, packet, raw = syscall.SOCK_STREAM, syscall.SOCK_DGRAM, syscall.SOCK_SEQPACKET, syscall.SOCK_RAW
		tcp, udp, icmp, mptcp, sctp   = syscall.IPPROTO_TCP, syscall.IPPROTO_UDP, syscall.IPPROTO_ICMP, 262, 132
	)
	reusable := bindOf("0.0.0.0:5353", datagram, udp)
	reusable.Socket.ReuseAddr = true
	only6 := bindOf("[::]:80", stream, tcp)
	only6.Socket.V6Only = true
	for _, test := range []struct {
		bind capture.Bind
		want string // the listener; empty: none
	}{
		{bindOf("127.0.0.1:80", stream, tcp), "port-80=tcp4:127.0.0.1:80"},
		{bindOf("[::]:80", stream, mptcp), "port-80=[::]:80"},
		{only6, "port-80=tcp6:[::]:80"},
		{bindOf("127.0.0.1:80", stream, sctp), ""},
		{bindOf("127.0.0.1:53", datagram, udp), "udp-53=udp4:127.0.0.1:53"},
		{bindOf("[::]:53", datagram, udp), "udp-53=udp:[::]:53"},
		{bindOf("0.0.0.0:7", datagram, icmp), ""}, // ping
		{bindOf("224.0.0.251:5353", datagram, udp), ""},
		{bindOf("[ff02::fb]:5353", datagram, udp), ""},
		{bindOf("255.255.255.255:67", datagram, udp), ""},
		{reusable, ""},
		{bindOf("127.0.0.1:80", raw, tcp), ""},
		{bindOf("unix:/run/my app.sock", stream, 0), "unix-my-app.sock=unix:/run/my app.sock mode 0750"},
		{bindOf("unix:@name", packet, 0), "unix-name=unixpacket:@name"},
		{bindOf("unix:/run/log", datagram, 0), ""},
		{bindOf("unix:@a\x00b", stream, 0), ""},
		{bindOf("unix:/"+strings.Repeat("x", 107), stream, 0), ""},
	} {
		got := ""
		if serves(test.bind) {
			l := listenOf(test.bind)
			got = l.Name + "=" + l.String()
			if l.Mode != 0 {
				got += " mode 0750"
			}
			if err := config.CheckName(l.Name); err != nil {
				t.Error(err)
			}
		}
		if got != test.want {
			t.Errorf("%+v: %q, want %q", test.bind, got, test.want)
		}
	}
}
