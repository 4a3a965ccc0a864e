package listeners_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"relevo/internal/testproc"
	"relevo/upgrader/listeners"
	"relevo/upgrader/listeners/seats"
)

// TestQueues: the clients that wait at the listeners and at the workers' own sockets are counted.
// AwaitClient returns when one arrives.
func TestQueues(t *testing.T) {
	t.Parallel()
	for _, own := range []bool{false, true} {
		set := listeners.New(listeners.Options{Siblings: true})
		t.Cleanup(func() { set.Close() })
		all, err := set.Listen(wanted(t, "a=127.0.0.1:0", "b=unix:"+testproc.SocketPath(t)))
		if err != nil {
			t.Fatal(err)
		}
		if own {
			if _, err := set.Seat(all[0], "1", 0, seats.SocketOptions{}); err != nil {
				t.Fatal(err)
			}
			if err := all[0].Serve("1", false); err != nil {
				t.Fatal(err)
			}
		}
		if q := set.Queues(); q != (listeners.Queues{}) {
			t.Errorf("%+v before any client", q)
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if err := set.AwaitClient(over); err != nil { // it returns without a client
			t.Error(err)
		}
		came := make(chan error, 1)
		go func() { came <- set.AwaitClient(t.Context()) }()
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
		for q := set.Queues(); q.Waiting != 3 || q.Dropped != 0; q = set.Queues() {
			if q.Waiting > 3 {
				t.Fatalf("%+v of 3 clients", q)
			}
			time.Sleep(time.Millisecond) // the kernel may not have queued the last client yet
		}
	}
}

// TestQueuesOfUnixSockets: clients are counted as long as no worker has accepted them.
func TestQueuesOfUnixSockets(t *testing.T) {
	t.Parallel()
	set := listeners.New(listeners.Options{})
	t.Cleanup(func() { set.Close() })
	path := testproc.SocketPath(t)
	all, err := set.Listen(wanted(t, "a=unix:"+path))
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		if q := set.Queues(); q != (listeners.Queues{Waiting: n}) {
			t.Fatalf("%+v with %d clients", q, n)
		}
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	worker, err := net.FileListener(all[0].File())
	if err != nil {
		t.Fatal(err)
	}
	worker.(*net.UnixListener).SetUnlinkOnClose(false)
	defer worker.Close()
	conn, err := worker.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if q := set.Queues(); q.Waiting != 2 {
		t.Errorf("%+v after one of 3 clients was accepted", q)
	}
}

// TestQueuesOfDatagrams: a UDP socket that is half full counts, and so do the datagrams that it
// loses.
func TestQueuesOfDatagrams(t *testing.T) {
	t.Parallel()
	set := listeners.New(listeners.Options{})
	t.Cleanup(func() { set.Close() })
	all, err := set.Listen(wanted(t, "a=udp:127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("udp", all[0].Address)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	send := func() listeners.Queues {
		if _, err := client.Write(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		return set.Queues()
	}
	if q := send(); q != (listeners.Queues{}) {
		t.Errorf("%+v with one datagram", q)
	}
	const plenty = 1 << 20
	sent := 0
	for q := send(); q.Waiting == 0; q = send() {
		if sent++; sent > plenty || q.Dropped > 0 {
			t.Fatalf("%+v after %d datagrams", q, sent)
		}
	}
	for q := send(); q.Dropped == 0; q = send() {
		if sent++; sent > plenty || q.Waiting != 1 {
			t.Fatalf("%+v after %d datagrams", q, sent)
		}
	}
}

// TestQueuesAtSeats: finding out the order of sockets that belong together rejects no client,
// although the kernel counts packets that it discards. A full queue does reject clients.
func TestQueuesAtSeats(t *testing.T) {
	t.Parallel()
	set := listeners.New(listeners.Options{Siblings: true})
	t.Cleanup(func() { set.Close() })
	all, err := set.Listen(wanted(t, "a=127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	set.Queues()
	for slot, worker := range []string{"1", "2", "3"} {
		if _, err := set.Seat(all[0], worker, slot, seats.SocketOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := all[0].Serve(worker, false); err != nil {
			t.Fatal(err)
		}
	}
	if n := listeners.Discarded(all[0]); n == 0 {
		t.Error("nothing was discarded")
	}
	if q := set.Queues(); q != (listeners.Queues{}) {
		t.Errorf("%+v before any client", q)
	}
}

// TestQueueIsFull: the clients that the kernel rejects are counted.
func TestQueueIsFull(t *testing.T) {
	t.Parallel()
	set := listeners.New(listeners.Options{})
	t.Cleanup(func() { set.Close() })
	all, err := set.Listen(wanted(t, "a=127.0.0.1:0,backlog=1"))
	if err != nil {
		t.Fatal(err)
	}
	before, ok := set.Dropped()
	if !ok || set.Queues().Dropped != before {
		t.Fatalf("%d rejected, %v, before any client", before, ok)
	}
	ctx, over := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			if conn, err := new(net.Dialer).DialContext(ctx, "tcp", all[0].Address); err == nil {
				<-ctx.Done()
				conn.Close()
			}
		})
	}
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		if n, _ := set.Dropped(); n > before && set.Queues().Waiting > 0 {
			break
		}
		if time.Since(began) > tooLong {
			t.Fatal("no client is rejected")
		}
	}
	over()
	clients.Wait()
}
