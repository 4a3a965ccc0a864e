package upgrader_test

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
			u, _ := newUpgrader(t)
			config := wanted(t, text)
			listeners, err := u.Listen(config)
			if err != nil {
				t.Fatal(err)
			}
			l := listeners[0]
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
			if err := u.Apply(nil); err != nil || len(u.Listeners()) != 0 {
				t.Fatalf("left are %s, %v", names(u.Listeners()), err)
			}
			// These are in the queue before it retires, and must be served.
			waiting := connect(t, network, l.Address, 20)
			must(retire(u, l))
			must(retire(u, l))
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
			if n := u.Waiting(l); n != 0 {
				t.Errorf("%d clients wait", n)
			}

			must(u.Park(l))
			if err := reaches(network, l.Address); !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("parked: %v", err)
			}
			if found := u.Inspect(); len(found) > 0 {
				t.Errorf("a parked listener was mended: %+v", found)
			}
			must(u.Unpark(l))
			next := testproc.Spawn(t, "accept", []*os.File{l.File()})
			next.Line()
			wantServed(t, network, l.Address)

			must(retire(u, l))
			must(u.Restore(l))
			wantServed(t, network, l.Address)
			must(retire(u, l))
			must(u.Park(l))
			if err := u.Apply(config); err != nil || !slices.Equal(u.Listeners(), listeners) {
				t.Fatalf("the listeners are %s, %v", names(u.Listeners()), err)
			}
			last := testproc.Spawn(t, "accept", []*os.File{l.File()}) // the parked TCP listener has ended the first child
			last.Line()
			wantServed(t, network, l.Address)

			must(retire(u, l))
			must(u.Apply(nil))
			must(u.CloseListener(l)) // although the worker still has it
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
	u, _ := newUpgrader(t)
	listeners, err := u.Listen(wanted(t, "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	l := listeners[0]
	if err := retire(u, l); err != nil {
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
	if err := u.Restore(l); err != nil {
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
	u, _ := newUpgrader(t)
	listeners, err := u.Listen(wanted(t, "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	l := listeners[0]
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
		if err := retire(u, l); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(tooLong); u.Waiting(l) > 0 && time.Now().Before(deadline); {
		}
		if err := u.Restore(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := retire(u, l); err != nil {
		t.Fatal(err)
	}
	worker.In.Close()
	if line := worker.Line(); line != "done" {
		t.Fatal(line)
	}
	if err := u.Park(l); err != nil {
		t.Fatal(err)
	}
	close(stop)
	if err, failed := <-lost; failed {
		t.Errorf("a client was lost: %v", err)
	}
}

func TestRetireUDP(t *testing.T) {
	u, _ := newUpgrader(t)
	listeners, err := u.Listen(wanted(t, "udp:127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	l := listeners[0]
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
	if err := u.Retire(l); err != nil {
		t.Fatal(err)
	}
	say("between")
	if err := u.Restore(l); err != nil {
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
