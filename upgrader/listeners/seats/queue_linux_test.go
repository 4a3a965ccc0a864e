package seats_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/upgrader/listeners/seats"
)

// deferred takes a seat where a client's handshake ends with its first data, so that a test can say
// when it ends.
func deferred(t *testing.T, g *seats.Group, worker string, slot int) *os.File {
	t.Helper()
	file, err := g.Take(worker, slot, seats.SocketOptions{Nonblock: true, Set: []seats.Option{deferAccept}})
	must(t, err)
	return file
}

// After Leave, a seat waits for the handshakes that had begun, and for no others. A handshake
// that ends after the worker's death is not lost.
func TestLateHandshake(t *testing.T) {
	for address, hosts := range addresses {
		for _, host := range hosts {
			t.Run(address+" from "+host, func(t *testing.T) {
				g, common := newGroup(t, address)
				serve(t, common, "common")
				deferred(t, g, "w0", 0)
				deferred(t, g, "w1", 1)
				must(t, g.Serve("w0"))
				if q := queue(t, g, "w0"); q != (seats.Queue{}) {
					t.Errorf("nothing waits: %+v", q)
				}
				early := dial(t, g, host)
				defer early.Close()
				must(t, g.Serve("w1"))
				must(t, g.Leave("w0"))
				if q := queue(t, g, "w0"); q != (seats.Queue{HalfOpen: 1}) {
					t.Fatalf("a handshake is under way: %+v", q)
				}
				must(t, g.Serve("w0")) // it does not leave after all
				must(t, g.Leave("w1"))
				late := dial(t, g, host)
				defer late.Close()
				if q := queue(t, g, "w0"); q != (seats.Queue{}) {
					t.Errorf("handshakes are counted while new ones begin: %+v", q)
				}
				must(t, g.Serve("w1"))
				must(t, g.Leave("w0"))
				if q := queue(t, g, "w0"); q != (seats.Queue{HalfOpen: 2}) {
					t.Fatalf("two handshakes are under way: %+v", q)
				}
				defer dial(t, g, host).Close() // a client of w1
				write(t, early)
				eventually(t, "one handshake is left", func() bool {
					return queue(t, g, "w0") == seats.Queue{Waiting: 1, HalfOpen: 1}
				})
				must(t, g.Gone("w0"))
				write(t, late)
				eventually(t, "the late one is seen", func() bool { s := g.Stranded(); return len(s) == 1 && s[0].Waiting == 2 })
				file, err := g.Take("w0 again", 0, seats.SocketOptions{Nonblock: true})
				must(t, err)
				serve(t, file, "w0 again")
				for _, conn := range []net.Conn{early, late} {
					if got := answer(t, conn); got != "w0 again" {
						t.Errorf("%q served", got)
					}
				}
			})
		}
	}
}

func write(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.WriteString(conn, "x"); err != nil {
		t.Fatal(err)
	}
	must(t, conn.(*net.TCPConn).CloseWrite())
}

// More handshakes than can be looked up one by one.
func TestManyHandshakes(t *testing.T) {
	g, common := newGroup(t, "[::]:0")
	serve(t, common, "common")
	deferred(t, g, "w0", 0)
	must(t, g.Serve("w0"))
	var conns []net.Conn
	for i := range 100 {
		conn := dial(t, g, []string{"127.0.0.1", "::1"}[i%2])
		defer conn.Close()
		conns = append(conns, conn)
	}
	must(t, g.ServeCommon(1))
	must(t, g.Leave("w0"))
	for i, conn := range conns {
		if q := queue(t, g, "w0"); q.HalfOpen != 100-i {
			t.Fatalf("%+v, want %d handshakes", q, 100-i)
		}
		write(t, conn)
		eventually(t, "its handshake ends", func() bool { return queue(t, g, "w0").HalfOpen == 99-i })
	}
}

// A seat in which a handshake may still end is not closed.
func TestTrimLeavesHandshakes(t *testing.T) {
	g, common := newGroup(t, "127.0.0.1:0")
	serve(t, common, "common")
	deferred(t, g, "w0", 0)
	must(t, g.Serve("w0"))
	conn := dial(t, g, "127.0.0.1")
	defer conn.Close()
	must(t, g.ServeCommon(1))
	must(t, g.Gone("w0"))
	must(t, g.Trim(0))
	write(t, conn)
	eventually(t, "it waits", func() bool { return len(g.Stranded()) == 1 })
	serve(t, take(t, g, "w1", 0), "w1")
	if got := answer(t, conn); got != "w1" {
		t.Errorf("%q served", got)
	}
	must(t, g.Gone("w1"))
	must(t, g.Trim(0))
	if _, files := g.Legacy(); len(files) > 0 {
		t.Errorf("%d seats are left", len(files))
	}
}

func TestQueueWithoutWorker(t *testing.T) {
	g, _ := newGroup(t, "127.0.0.1:0")
	if _, err := g.Queue("w0"); !errors.Is(err, seats.ErrNoSeat) {
		t.Error(err)
	}
	if err := g.Serve("w0"); !errors.Is(err, seats.ErrNoSeat) {
		t.Error(err)
	}
	must(t, g.Leave("w0"))
	must(t, g.Gone("w0"))
	if err := g.Tend(); err != nil {
		t.Error(err)
	}
}

// A client that connects does not wake the master: no seat is in an epoll set.
func TestNotPolled(t *testing.T) {
	ordinary, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ordinary.Close()
	file, err := ordinary.(*net.TCPListener).File()
	must(t, err)
	defer file.Close()
	if !polled(t, file) {
		t.Fatal("an ordinary listener is not seen as polled: this test proves nothing")
	}
	g, _ := newGroup(t, "127.0.0.1:0")
	seat := take(t, g, "w0", 0)
	must(t, g.Serve("w0"))
	if !nonblocking(t, seat) || polled(t, seat) {
		t.Error("the seat is polled, or blocks")
	}
}

func polled(t *testing.T, file *os.File) bool {
	t.Helper()
	var stat unix.Stat_t
	must(t, unix.Fstat(int(file.Fd()), &stat))
	infos, err := filepath.Glob("/proc/self/fdinfo/*")
	must(t, err)
	for _, info := range infos {
		text, _ := os.ReadFile(info)
		if strings.Contains(string(text), fmt.Sprintf("ino:%x ", stat.Ino)) {
			return true
		}
	}
	return false
}

// As many workers as a pool may have, each with a seat and a spare one; every other seat
// serves, which makes the longest program.
func TestManySeats(t *testing.T) {
	const slots = 512
	room(t, 3*slots)
	g, common := newGroup(t, "[::]:0")
	serve(t, common, "common")
	for slot := range slots {
		take(t, g, fmt.Sprint("old", slot), slot)
		take(t, g, fmt.Sprint("w", slot), slot)
	}
	for slot := range slots {
		must(t, g.Serve(fmt.Sprint("w", slot)))
	}
	for _, worker := range []string{"w0", "w255", "w511", "old0", "old511"} {
		s := serve(t, take(t, g, worker, 0), worker)
		must(t, g.Accepted(patience(t), worker))
		s.close()
		if s.count() == 0 {
			t.Errorf("%s accepted nothing", worker)
		}
	}
	for range 2000 {
		defer dial(t, g, "127.0.0.1").Close()
	}
	waiting := 0
	for slot := range slots {
		waiting += queue(t, g, fmt.Sprint("w", slot)).Waiting
	}
	if waiting != 2000 {
		t.Errorf("%d of 2000 connections wait at the workers that serve", waiting)
	}
	if err := g.Heal(); err != nil {
		t.Error(err)
	}
	if state, _ := g.Legacy(); len(state.Members) != 2*slots+1 || state.Members[slots].ID != slots {
		t.Error("the order has changed")
	}
}

// room raises the limit of open files, so that these descriptors fit.
func room(t *testing.T, descriptors uint64) {
	t.Helper()
	var limit unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	if limit.Cur < descriptors+4000 {
		before := limit
		limit.Cur = min(limit.Max, descriptors+4000)
		must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
		t.Cleanup(func() { unix.Setrlimit(unix.RLIMIT_NOFILE, &before) })
	}
}
