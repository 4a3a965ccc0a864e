package seats_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/upgrader/listeners/seats"
)

// Four workers share new connections evenly. With 8,000 connections, the probability that one
// worker gets a quarter more than another by chance is 2·10⁻¹¹ (with 2,000: 3·10⁻³).
func TestSpread(t *testing.T) {
	g, _ := newGroup(t, "127.0.0.1:0")
	var servers []*server
	for slot := range 4 {
		name := fmt.Sprint("w", slot)
		servers = append(servers, serve(t, take(t, g, name, slot), name))
		must(t, g.Serve(name))
	}
	for range 8000 {
		ask(t, g, "127.0.0.1")
	}
	least, most := servers[0].count(), 0
	for _, s := range servers {
		least, most = min(least, s.count()), max(most, s.count())
	}
	t.Logf("from %d to %d connections a worker", least, most)
	if 4*most > 5*least {
		t.Errorf("from %d to %d connections a worker", least, most)
	}
}

// While a pool changes from the shared socket to sockets of its workers, the workers at the
// common socket get their shares.
func TestCommonWeight(t *testing.T) {
	g, common := newGroup(t, "127.0.0.1:0")
	c := serve(t, common, "common")
	s := serve(t, take(t, g, "w0", 0), "w0")
	must(t, g.ServeCommon(3))
	must(t, g.Serve("w0"))
	for range 1000 {
		ask(t, g, "127.0.0.1")
	}
	// 750 and a standard deviation of 14: 600 is eleven of them away.
	if n := c.count(); n < 600 || n > 900 || n+s.count() != 1000 {
		t.Errorf("the common socket got %d of 1000, and w0 %d", n, s.count())
	}
	must(t, g.ServeCommon(0))
	for range 64 {
		if got := ask(t, g, "127.0.0.1"); got != "w0" {
			t.Fatalf("%q served after all had left the common socket", got)
		}
	}
}

// A worker that binds again gets its present seat.
func TestTakeTwice(t *testing.T) {
	g, _ := newGroup(t, "127.0.0.1:0")
	first := take(t, g, "w0", 0)
	if take(t, g, "w0", 0) != first || take(t, g, "w1", 1) == first {
		t.Error("wrong seats")
	}
	if take(t, g, "w0b", 0) == first {
		t.Error("two workers of a slot have the same seat")
	}
}

// Connections that a dead worker had not accepted are served by its slot's next worker, and by
// no other.
func TestDeadWorkersQueue(t *testing.T) {
	g, _ := newGroup(t, "127.0.0.1:0")
	left := take(t, g, "w0", 0)
	must(t, g.Serve("w0"))
	var waiting []net.Conn
	for range 5 {
		conn := dial(t, g, "127.0.0.1")
		defer conn.Close()
		waiting = append(waiting, conn)
	}
	eventually(t, "all in the queue", func() bool { return queue(t, g, "w0").Waiting == 5 })
	must(t, g.Gone("w0"))
	want := seats.Stranded{ID: 1, Slot: 0, Waiting: 5, Steered: true, File: left}
	if got := g.Stranded(); len(got) != 1 || got[0] != want {
		t.Errorf("stranded: %+v", got)
	}
	if take(t, g, "w1", 1) == left {
		t.Error("a worker of another slot took the queue")
	}
	must(t, g.Serve("w1"))
	if take(t, g, "w2", 2) == left {
		t.Error("a worker of another slot took the remaining queue")
	}
	if take(t, g, "w0 again", 0) != left {
		t.Error("the slot's next worker did not take the queue")
	}
	serve(t, left, "w0 again")
	for _, conn := range waiting {
		if got := answer(t, conn); got != "w0 again" {
			t.Errorf("%q served", got)
		}
	}
	if s := g.Stranded(); len(s) > 0 {
		t.Errorf("stranded: %+v", s)
	}
}

// If the slot does not exist any more, the next worker of any slot gets its queue.
func TestForget(t *testing.T) {
	g, _ := newGroup(t, "127.0.0.1:0")
	take(t, g, "w0", 0)
	empty := take(t, g, "w1", 1)
	left := take(t, g, "w2", 2)
	must(t, g.Serve("w2"))
	defer dial(t, g, "127.0.0.1").Close()
	eventually(t, "in the queue", func() bool { return queue(t, g, "w2").Waiting == 1 })
	must(t, g.Gone("w1"))
	must(t, g.Gone("w2"))
	g.Forget(2)
	if take(t, g, "w3", 3) != left {
		t.Error("the longest queue was not served first")
	}
	if take(t, g, "w4", 4) != empty {
		t.Error("a free seat was not used")
	}
}

// With LendCommon, clients that came before any worker are served by the first one.
func TestLendCommon(t *testing.T) {
	common := listenShared(t, "127.0.0.1:0")
	o := options(t)
	o.LendCommon = true
	g, err := seats.New(common, o)
	must(t, err)
	defer g.Close()
	early := dial(t, g, "127.0.0.1")
	defer early.Close()
	eventually(t, "the client waits", func() bool { return len(g.Stranded()) == 1 })
	if take(t, g, "w0", 0) != common {
		t.Fatal("the first worker did not get the common socket")
	}
	serve(t, common, "w0")
	serve(t, take(t, g, "w1", 1), "w1")
	if got := answer(t, early); got != "w0" {
		t.Errorf("%q served the early client", got)
	}
	must(t, g.Serve("w1"))
	for range 64 {
		if got := ask(t, g, "127.0.0.1"); got != "w1" {
			t.Fatalf("%q served before Serve", got)
		}
	}
}

// The common socket is not lent while workers serve there, and nothing is stranded then.
func TestCommonIsServed(t *testing.T) {
	o := options(t)
	o.LendCommon = true
	common := listenShared(t, "127.0.0.1:0")
	g, err := seats.New(common, o)
	must(t, err)
	defer g.Close()
	must(t, g.ServeCommon(1))
	defer dial(t, g, "127.0.0.1").Close()
	if s := g.Stranded(); len(s) > 0 {
		t.Errorf("stranded: %+v", s)
	}
	if take(t, g, "w0", 0) == common {
		t.Error("the common socket was lent")
	}
	must(t, g.ServeCommon(0))
	if s := g.Stranded(); len(s) != 1 || s[0] != (seats.Stranded{Slot: -1, Waiting: 1, Steered: true, File: common}) {
		t.Errorf("stranded: %+v", s)
	}
}

// At each Take the seat gets the options of its program, and none of the previous program's.
func TestSocketOptions(t *testing.T) {
	g, _ := newGroup(t, "127.0.0.1:0")
	option := func(name, value int) seats.Option {
		raw := binary.NativeEndian.AppendUint32(nil, uint32(value))
		return seats.Option{Level: unix.SOL_SOCKET, Name: name, Value: raw}
	}
	value := func(file *os.File, name int) int {
		got, err := unix.GetsockoptInt(int(file.Fd()), unix.SOL_SOCKET, name)
		must(t, err)
		return got
	}
	plain := take(t, g, "plain", 7)
	usual := value(plain, unix.SO_RCVBUF)
	file, err := g.Take("w0", 0, seats.SocketOptions{Backlog: 3, Set: []seats.Option{
		option(unix.SO_KEEPALIVE, 1), option(unix.SO_RCVBUF, 20000), option(unix.SO_PRIORITY, 3),
		{Level: unix.SOL_SOCKET, Name: 9999, Value: []byte{1, 0, 0, 0}}, // no such option: it is reported, and Take succeeds
	}})
	must(t, err)
	state := func() string {
		return fmt.Sprint(nonblocking(t, file), limit(t, file),
			value(file, unix.SO_KEEPALIVE), value(file, unix.SO_RCVBUF), value(file, unix.SO_BUF_LOCK))
	}
	if got := state(); got != "false 3 1 40000 2" {
		t.Fatalf("the seat is %s", got)
	}
	must(t, g.Tend())
	if got := state(); got != "false 3 1 40000 2" {
		t.Errorf("the undamaged seat is %s", got)
	}
	must(t, unix.Listen(int(file.Fd()), 1))
	must(t, unix.SetNonblock(int(file.Fd()), true))
	must(t, g.Tend())
	if got := state(); got != "true 3 1 40000 2" { // whether it blocks is the program's choice
		t.Errorf("the mended seat is %s", got)
	}
	must(t, g.Gone("w0"))
	again, err := g.Take("w0 again", 0, seats.SocketOptions{
		Nonblock: true, Set: []seats.Option{option(unix.SO_PRIORITY, 5)},
	})
	must(t, err)
	if got, want := state(), fmt.Sprint(true, limit(t, plain), 0, usual, 0); again != file || got != want {
		t.Errorf("the next program's seat is %s, want %s", got, want)
	}
	if got := value(file, unix.SO_PRIORITY); got != 5 {
		t.Errorf("priority %d", got)
	}
}

// If a program detaches the steering, or attaches its own, the group's is attached again.
func TestSteeringIsMended(t *testing.T) {
	g, _ := newGroup(t, "127.0.0.1:0")
	for slot := range 8 {
		name := fmt.Sprint("w", slot)
		serve(t, take(t, g, name, slot), name)
	}
	must(t, g.Serve("w3"))
	file := take(t, g, "w5", 5)
	must(t, unix.SetsockoptInt(int(file.Fd()), unix.SOL_SOCKET, unix.SO_DETACH_REUSEPORT_BPF, 0))
	err := g.Tend()
	must(t, err)
	// Without steering, the kernel tries the last socket first, and would give it everything.
	last := take(t, g, "w7", 7)
	must(t, unix.SetsockoptInt(int(last.Fd()), unix.SOL_SOCKET, unix.SO_REUSEPORT, 0))
	err = g.Tend()
	must(t, err)
	for range 64 {
		if got := ask(t, g, "127.0.0.1"); got != "w3" {
			t.Fatalf("%q served", got)
		}
	}
}

func queue(t testing.TB, g *seats.Group, worker string) seats.Queue {
	t.Helper()
	q, err := g.Queue(worker)
	must(t, err)
	return q
}

func nonblocking(t testing.TB, file *os.File) bool {
	t.Helper()
	flags, err := unix.FcntlInt(file.Fd(), unix.F_GETFL, 0)
	must(t, err)
	return flags&unix.O_NONBLOCK != 0
}

func limit(t testing.TB, file *os.File) int {
	t.Helper()
	info, err := unix.GetsockoptTCPInfo(int(file.Fd()), unix.IPPROTO_TCP, unix.TCP_INFO)
	must(t, err)
	return int(info.Sacked)
}
