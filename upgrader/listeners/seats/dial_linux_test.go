package seats_test

import (
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"relevo/upgrader/listeners/seats"
)

// A connection reaches the worker that Dial names, whether it serves or not, and the steering
// keeps no trace of it.
func TestDial(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", "[::]:0", "0.0.0.0:0", onlyIPv6} {
		t.Run(address, func(t *testing.T) {
			g, common := newGroup(t, address)
			serve(t, common, "common")
			for i, name := range []string{"w0", "w1", "w2"} {
				serve(t, take(t, g, name, i), name)
			}
			must(t, g.Serve("w0"))
			for _, name := range []string{"w2", "w1", "w0", "w2"} {
				conn, err := g.Dial(patience(t), name)
				must(t, err)
				if got := answer(t, conn); got != name {
					t.Errorf("asked %s, got the answer of %q", name, got)
				}
			}
			if n := seats.Probes(g); n != 0 {
				t.Errorf("%d probes are left", n)
			}
		})
	}
}

func TestDialWithoutSocket(t *testing.T) {
	g, _ := newGroup(t, "127.0.0.1:0")
	if _, err := g.Dial(patience(t), "w9"); !errors.Is(err, seats.ErrNoSeat) {
		t.Errorf("a worker without a socket: %v", err)
	}
}

// A suspended worker gets no client, whatever else is called, until its suspension ends; the
// next worker at its seat is not suspended.
func TestSuspend(t *testing.T) {
	g, _ := newGroup(t, "127.0.0.1:0")
	for i, name := range []string{"w0", "w1"} {
		serve(t, take(t, g, name, i), name)
		must(t, g.Serve(name))
	}
	must(t, g.Suspend("w1", true))
	must(t, g.Serve("w1"))
	for range 50 {
		if got := ask(t, g, "127.0.0.1"); got != "w0" {
			t.Fatalf("%s got a client", got)
		}
	}
	if g.Serving("w1") {
		t.Error("a suspended worker serves")
	}
	must(t, g.Suspend("w0", true)) // now all are suspended: the steering does not change
	if !g.Serving("w0") {
		t.Error("nothing serves")
	}
	must(t, g.Suspend("w0", false))
	must(t, g.Suspend("w1", false))
	if !g.Serving("w1") {
		t.Error("a worker whose suspension has ended does not serve")
	}
	must(t, g.Suspend("w1", true))
	must(t, g.Gone("w1"))
	take(t, g, "w2", 1)
	must(t, g.Serve("w2"))
	if !g.Serving("w2") {
		t.Error("the next worker of the slot does not serve")
	}
}

// Connections that wait for a dead worker are reset if another worker of its slot has a seat of
// its own: otherwise they would wait until that worker is replaced.
func TestQueueIsRefused(t *testing.T) {
	g, _ := newGroup(t, "127.0.0.1:0")
	for i, name := range []string{"w0", "w1"} {
		take(t, g, name, i)
		must(t, g.Serve(name))
	}
	waiting, err := g.Dial(patience(t), "w1")
	must(t, err)
	defer waiting.Close()
	waiting.SetDeadline(time.Now().Add(tooLong))
	must(t, g.Suspend("w1", true))
	must(t, g.Gone("w1")) // it has no successor yet: the slot's next worker takes the queue
	serve(t, take(t, g, "w2", 1), "w2")
	if got := answer(t, waiting); got != "w2" {
		t.Errorf("the slot's next worker: %q", got)
	}
	must(t, g.Serve("w2"))
	refuses := func(worker string) {
		t.Helper()
		refused, err := g.Dial(patience(t), worker)
		must(t, err)
		defer refused.Close()
		refused.SetDeadline(time.Now().Add(tooLong))
		must(t, g.Gone(worker))
		if _, err := io.ReadAll(refused); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a client of %s, beside the other worker of its slot: %v", worker, err)
		}
	}
	take(t, g, "canary", 0)
	must(t, g.Serve("canary"))
	refuses("canary") // the old worker keeps serving
	take(t, g, "w3", 0)
	must(t, g.Suspend("w0", true))
	refuses("w0")
}
