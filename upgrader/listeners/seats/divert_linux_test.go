package seats_test

import (
	"errors"
	"net"
	"strconv"
	"syscall"
	"testing"

	"relevo/upgrader/listeners/seats"
)

// After Divert a client is neither accepted nor refused until the group and its common socket
// are closed; then it is refused. Accepted connections stay open.
func TestDivert(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::]:0"} {
		t.Run(address, func(t *testing.T) {
			if address[0] == '[' {
				needIPv6(t)
			}
			g, common := newGroup(t, address)
			worker := serve(t, take(t, g, "1", 0), "1")
			must(t, g.Serve("1"))
			ask(t, g, "127.0.0.1")
			must(t, g.Divert())
			must(t, g.Divert())           // a second call does no harm
			before := seats.DecoyDrops(g) // the group's own clients account for these
			waits := make(chan error, 1)
			go func() {
				conn, err := net.Dial("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(g.Address().Port()))))
				if err == nil {
					conn.Close()
				}
				waits <- err
			}()
			eventually(t, "the client's first packet is dropped", func() bool { return seats.DecoyDrops(g) > before })
			if n := worker.count(); n != 1 {
				t.Errorf("the worker has accepted %d connections, want 1", n)
			}
			must(t, g.Close())
			common.Close()
			worker.close()
			if err := <-waits; !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("the client, at the end: %v", err)
			}
		})
	}
}
