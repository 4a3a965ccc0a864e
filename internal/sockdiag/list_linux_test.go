package sockdiag_test

import (
	"net"
	"net/netip"
	"testing"

	"relevo/internal/sockdiag"
)

// TestBothFamilies: sockets of IPv4 and of IPv6 are listed, each of them once.
func TestBothFamilies(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Logf("%s is not tried: %v", address, err)
			continue
		}
		defer listener.Close()
		at := netip.MustParseAddrPort(listener.Addr().String())
		client, err := net.Dial("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		server, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		if listening := countListeners(t, at); listening != 1 {
			t.Errorf("%s is listed %d times", at, listening)
		}
		connections, err := sockdiag.Established([]uint16{at.Port()})
		if err != nil || len(connections) != 1 || connections[0].Inode == 0 {
			t.Errorf("the connections to %s: %+v, %v", at, connections, err)
		}
	}
}

func countListeners(t *testing.T, at netip.AddrPort) (n int) {
	t.Helper()
	all, err := sockdiag.Listening()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		if l.Address == at {
			n++
		}
	}
	return n
}
