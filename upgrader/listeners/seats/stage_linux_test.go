package seats

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Without an answer of sock_diag, an empty queue proves nothing: the connection may not have reached
// it yet. Here it has not, because the socket waits for data.
func TestEmptyQueue(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 60) })
	c, err := openClient(where{address: netip.MustParseAddrPort(l.Addr().String())})
	if err != nil {
		t.Fatal(err)
	}
	defer c.file.Close()
	if err := c.connect(); err != nil {
		t.Fatal(err)
	}
	for now, err := c.look(); now != connected; now, err = c.look() {
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	if now, err := c.serverSide(); now != connecting || err != nil {
		t.Errorf("the other end is at stage %d, %v", now, err)
	}
	g := &Group{}
	g.noDiag.Store(true)
	if now, err := g.stage(&probe{client: c}, 0, false); now != connected || err != nil {
		t.Errorf("at stage %d, %v", now, err)
	}
	if now, err := g.stage(&probe{client: c}, 0, true); now != accepted || err != nil {
		t.Errorf("after a while at stage %d, %v", now, err)
	}
}
