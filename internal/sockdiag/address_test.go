package sockdiag_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/sockdiag"
)

func TestAddrPort(t *testing.T) {
	local := [16]byte{0xfe, 0x80, 15: 1}
	for want, name := range map[string]unix.Sockaddr{
		"192.0.2.1:80":        &unix.SockaddrInet4{Port: 80, Addr: [4]byte{192, 0, 2, 1}},
		"[fe80::1]:80":        &unix.SockaddrInet6{Port: 80, Addr: local},
		"[fe80::1%2]:80":      &unix.SockaddrInet6{Port: 80, Addr: local, ZoneId: 2},
		"invalid AddrPort":    &unix.SockaddrUnix{Name: "/run/app.sock"},
		"[::ffff:1.2.3.4]:80": &unix.SockaddrInet6{Port: 80, Addr: [16]byte{10: 0xff, 0xff, 1, 2, 3, 4}},
	} {
		if got := sockdiag.AddrPort(name).String(); got != want {
			t.Errorf("%+v: %s, want %s", name, got, want)
		}
	}
}
