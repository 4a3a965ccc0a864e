package seats_test

import (
	"testing"

	"relevo/upgrader/listeners/seats"
)

// Clients that come after the last worker was asked to leave are served by the next worker, even
// if that starts before the old one has ended. It works a second time, and under the next master.
func TestRest(t *testing.T) {
	t.Parallel()
	g, common := newGroup(t, "127.0.0.1:0")
	take(t, g, "w0", 0)
	must(t, g.Serve("w0"))
	for _, names := range [][2]string{{"w0", "w1"}, {"w1", "w2"}, {"w2", "w3"}} {
		old, next := names[0], names[1]
		must(t, g.Rest(true))
		must(t, g.Rest(true))
		must(t, g.Trim(0))
		if !g.Serving(old) {
			t.Fatalf("%s gets no client although it does not leave", old)
		}
		must(t, g.Leave(old))
		conn := dial(t, g, "127.0.0.1")
		defer conn.Close()
		if next == "w3" {
			before, files := g.Legacy()
			legacy, copies := passOn(t, before, files)
			g.Detach()
			again, err := seats.TakeOver(common, legacy, copies, options(t))
			must(t, err)
			t.Cleanup(func() { must(t, again.Close()) })
			must(t, again.Rest(true))
			g = again
		}
		server := serve(t, take(t, g, next, 0), next)
		must(t, g.Serve(next))
		if got := answer(t, conn); got != next {
			t.Errorf("%q answered", got)
		}
		if q, err := g.Queue(old); err != nil || q.Waiting != 0 {
			t.Errorf("%+v waits for %s, %v", q, old, err)
		}
		must(t, g.Gone(old))
		server.close() // as a worker that leaves: it stops accepting
	}
}

// After Rest with false, the slot's next worker gets the socket of the previous one.
func TestRestCalledOff(t *testing.T) {
	t.Parallel()
	g, _ := newGroup(t, "127.0.0.1:0")
	seat := take(t, g, "w0", 0)
	must(t, g.Serve("w0"))
	must(t, g.Rest(true))
	must(t, g.Rest(false))
	must(t, g.Leave("w0"))
	must(t, g.Gone("w0"))
	conn := dial(t, g, "127.0.0.1")
	defer conn.Close()
	if take(t, g, "w1", 0) != seat {
		t.Error("the slot's next worker has another socket")
	}
	serve(t, seat, "w1")
	if got := answer(t, conn); got != "w1" {
		t.Errorf("%q answered", got)
	}
}

// If workers share a socket, clients wait in that socket.
func TestRestShared(t *testing.T) {
	t.Parallel()
	g, common := newGroup(t, "127.0.0.1:0")
	take(t, g, "w0", 0)
	must(t, g.ServeCommon(1))
	must(t, g.Rest(true))
	must(t, g.ServeCommon(0))
	conn := dial(t, g, "127.0.0.1")
	defer conn.Close()
	serve(t, common, "w1")
	if got := answer(t, conn); got != "w1" {
		t.Errorf("%q answered", got)
	}
}
