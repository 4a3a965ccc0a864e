package listeners_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"relevo/internal/testproc"
)

// The life of an address that is removed: clients are served while it retires, refused when it is
// parked, and served again if it comes back.
func TestRetireParkAndBack(t *testing.T) {
	path := testproc.SocketPath(t)
	for _, text := range []string{"127.0.0.1:0", "[::1]:0", ":0", "unix:" + path} {
		inBothWays(t, text, func(t *testing.T, retire retirement) {
			set, _ := newSet(t)
			config := wanted(t, text)
			opened, err := set.Listen(config)
			if err != nil {
				t.Fatal(err)
			}
			l := opened[0]
			network := "tcp"
			if l.Network == "unix" {
				network = "unix"
			}
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := set.Apply(nil); err != nil || len(set.Listeners()) != 0 {
				t.Fatalf("left are %s, %v", names(set.Listeners()), err)
			}
			// These are in the queue before it retires, and must be served.
			waiting := connect(t, network, l.Address, 20)
			must(retire(set, l))
			must(retire(set, l))
			if conn, err := net.DialTimeout(network, l.Address, 300*time.Millisecond); err == nil {
				conn.Close()
				t.Error("a new client gets in")
			}
			worker := testproc.Spawn(t, "accept", []*os.File{l.File()})
			worker.Line()
			wantAllServed(t, waiting)
			worker.In.Close()
			if line := worker.Line(); line != "done" {
				t.Fatal(line)
			}
			if n := set.Waiting(l); n != 0 {
				t.Errorf("%d clients wait", n)
			}

			must(set.Park(l))
			if err := reaches(network, l.Address); !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("parked: %v", err)
			}
			if found := set.Inspect(); len(found) > 0 {
				t.Errorf("a parked listener was mended: %+v", found)
			}
			must(set.Restore(l))
			next := testproc.Spawn(t, "accept", []*os.File{l.File()})
			next.Line()
			wantServed(t, network, l.Address)

			must(retire(set, l))
			must(set.Restore(l))
			wantServed(t, network, l.Address)
			must(retire(set, l))
			must(set.Park(l))
			if err := set.Apply(config); err != nil || !slices.Equal(set.Listeners(), opened) {
				t.Fatalf("the listeners are %s, %v", names(set.Listeners()), err)
			}
			last := testproc.Spawn(t, "accept", []*os.File{l.File()}) // the parked TCP listener has ended the first child
			last.Line()
			wantServed(t, network, l.Address)

			must(retire(set, l))
			must(set.Apply(nil))
			must(set.CloseListener(l)) // although the worker still has it
			if err := reaches(network, l.Address); !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("closed: %v", err)
			}
		})
	}
}

func connect(t *testing.T, network, address string, n int) (clients []net.Conn) {
	t.Helper()
	for range n {
		conn, err := net.Dial(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		clients = append(clients, conn)
	}
	return clients
}

func wantAllServed(t *testing.T, clients []net.Conn) {
	t.Helper()
	for _, conn := range clients {
		conn.SetReadDeadline(time.Now().Add(tooLong))
		buffer := make([]byte, 16)
		if n, err := conn.Read(buffer); string(buffer[:n]) != "served\n" {
			t.Errorf("a client that waited read %q, %v", buffer[:n], err)
		}
	}
}

// A client that connects while the listener retires is served after Restore.
func TestRetiredClientTriesAgain(t *testing.T) { inBothWays(t, "tcp", retiredClientTriesAgain) }

func retiredClientTriesAgain(t *testing.T, retire retirement) {
	set, _ := newSet(t)
	opened, err := set.Listen(wanted(t, "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	l := opened[0]
	if err := retire(set, l); err != nil {
		t.Fatal(err)
	}
	testproc.Spawn(t, "accept", []*os.File{l.File()}).Line()
	done := make(chan error, 1)
	go func() {
		conn, err := net.DialTimeout("tcp", l.Address, tooLong)
		if err == nil {
			conn.Close()
		}
		done <- err
	}()
	select {
	case err := <-done:
		t.Errorf("it connected: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if err := set.Restore(l); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// No loss: clients that connect without a pause while the listener retires are all served: by it, or
// later on the address that takes over.
func TestNothingIsLostWhileRetiring(t *testing.T) { inBothWays(t, "tcp", nothingIsLostWhileRetiring) }

func nothingIsLostWhileRetiring(t *testing.T, retire retirement) {
	set, _ := newSet(t)
	opened, err := set.Listen(wanted(t, "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	l := opened[0]
	worker := testproc.Spawn(t, "accept", []*os.File{l.File()})
	worker.Line()
	stop := make(chan struct{})
	lost := make(chan error, 1)
	served := make(chan struct{}, 1)
	go func() {
		defer close(lost)
		for {
			select {
			case <-stop:
				return
			default:
			}
			conn, err := net.DialTimeout("tcp", l.Address, 20*time.Millisecond)
			if err != nil {
				continue // it never connected
			}
			conn.SetReadDeadline(time.Now().Add(tooLong))
			buffer := make([]byte, 16)
			if n, err := conn.Read(buffer); string(buffer[:n]) != "served\n" {
				lost <- err
				return
			}
			conn.Close()
			select {
			case served <- struct{}{}:
			default:
			}
		}
	}()
	for range 20 {
		<-served
		<-served
		if err := retire(set, l); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(tooLong); set.Waiting(l) > 0 && time.Now().Before(deadline); {
		}
		if err := set.Restore(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := retire(set, l); err != nil {
		t.Fatal(err)
	}
	worker.In.Close()
	if line := worker.Line(); line != "done" {
		t.Fatal(line)
	}
	if err := set.Park(l); err != nil {
		t.Fatal(err)
	}
	close(stop)
	if err, failed := <-lost; failed {
		t.Errorf("a client was lost: %v", err)
	}
}

func TestRetireUDP(t *testing.T) {
	set, _ := newSet(t)
	opened, err := set.Listen(wanted(t, "udp:127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	l := opened[0]
	conn, err := net.Dial("udp", l.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	say := func(word string) {
		if _, err := conn.Write([]byte(word)); err != nil {
			t.Fatal(err)
		}
	}
	say("before")
	if err := set.Retire(l); err != nil {
		t.Fatal(err)
	}
	say("between")
	if err := set.Restore(l); err != nil {
		t.Fatal(err)
	}
	say("after")
	for _, want := range []string{"before", "after"} {
		buffer := make([]byte, 16)
		if n, _, err := syscall.Recvfrom(fd(l), buffer, 0); string(buffer[:max(n, 0)]) != want {
			t.Errorf("received %q, %v, want %q", buffer[:max(n, 0)], err, want)
		}
	}
}
