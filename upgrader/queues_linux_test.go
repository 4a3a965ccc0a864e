package upgrader_test

import (
	"context"
	"net"
	"testing"
	"time"

	"relevo/upgrader"
	"relevo/upgrader/listeners"
)

// TestQueues: what waits at the listeners and at workers' own sockets is counted, and a client
// ends the wait for one.
func TestQueues(t *testing.T) {
	t.Parallel()
	for _, own := range []bool{false, true} {
		u := upgrader.New(upgrader.Options{Siblings: true})
		t.Cleanup(func() { u.Close() })
		all, err := u.Listen(wanted(t, "a=127.0.0.1:0", "b=unix:"+socketPath(t)))
		if err != nil {
			t.Fatal(err)
		}
		if own {
			if _, err := u.Seat(all[0], "1", 0, listeners.SocketOptions{}); err != nil {
				t.Fatal(err)
			}
			if err := all[0].Serve("1", false); err != nil {
				t.Fatal(err)
			}
		}
		if q := u.Queues(); q != (upgrader.Queues{}) {
			t.Errorf("%+v before any client", q)
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if err := u.AwaitClient(over); err != nil { // it ends without a client
			t.Error(err)
		}
		came := make(chan error, 1)
		go func() { came <- u.AwaitClient(t.Context()) }()
		for range 3 {
			conn, err := net.Dial("tcp", all[0].Address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		if err := <-came; err != nil {
			t.Error(err)
		}
		for q := u.Queues(); q.Waiting != 3 || q.Dropped != 0; q = u.Queues() {
			if q.Waiting > 3 {
				t.Fatalf("%+v of 3 clients", q)
			}
			time.Sleep(time.Millisecond) // the kernel may be behind with the last one
		}
	}
}
