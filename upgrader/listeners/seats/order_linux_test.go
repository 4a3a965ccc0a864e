package seats_test

import (
	"context"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Verify is right while other packets are dropped for the same reason as its own.
func TestVerifyAmongItsLike(t *testing.T) {
	c := newCrew(t, "127.0.0.1:0", 4)
	for _, name := range c.names {
		must(t, c.Serve(name))
	}
	ctx, cancel := context.WithCancel(t.Context())
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TTL, 1) })
	}}
	var noise sync.WaitGroup
	for range 2 {
		noise.Go(func() {
			for ctx.Err() == nil {
				short, cancel := context.WithTimeout(ctx, time.Millisecond/2)
				if conn, err := dialer.DialContext(short, "tcp", c.Address().String()); err == nil {
					conn.Close()
				}
				cancel()
			}
		})
	}
	for range 20 {
		c.shut("w0")
		c.listen("w0")
		c.shut("w2")
		err := c.Heal()
		must(t, err)
		for _, name := range c.names {
			must(t, c.Serve(name))
		}
	}
	cancel()
	noise.Wait()
	c.inOrder()
}
