package listeners_test

import (
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/testproc"
	"relevo/internal/testreq"
	"relevo/upgrader/listeners"
)

// healer is a Set that reports what it mends.
type healer struct {
	*listeners.Set
	t     *testing.T
	heals chan listeners.Healed
}

func newHealer(t *testing.T, all ...string) (*healer, []*listeners.Listener) {
	t.Helper()
	h := &healer{listeners.New(listeners.Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil))}), t,
		make(chan listeners.Healed, 100)}
	h.OnHealed(func(healed listeners.Healed) { h.heals <- healed })
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	opened, err := h.Listen(wanted(t, all...))
	if err != nil {
		t.Fatal(err)
	}
	return h, opened
}

func (h *healer) next() listeners.Healed {
	h.t.Helper()
	select {
	case healed := <-h.heals:
		return healed
	case <-time.After(tooLong):
		h.t.Fatal("nothing was healed")
		panic("unreachable")
	}
}

// order makes a child do something to the listener that it inherited.
func order(t *testing.T, c *testproc.Child, what string) {
	t.Helper()
	c.Say(what)
	if line := c.Line(); line != what+" <nil>" {
		t.Fatal(line)
	}
}

// A listener that a worker shut down serves again at once, also after a second time, and on a port
// that the kernel chose.
func TestShutdownIsHealed(t *testing.T) {
	needIPv6(t)
	path := testproc.SocketPath(t)
	for _, text := range []string{"127.0.0.1:0", ":0", "tcp4::0", "tcp6:[::1]:0", "localhost:0", "unix:" + path} {
		for _, how := range []string{"shutdown", "shutdown reading"} {
			t.Run(text+" "+how, func(t *testing.T) {
				h, opened := newHealer(t, text)
				l := opened[0]
				network, address := "tcp", l.Address
				if l.Network == "unix" {
					network = "unix"
				} else if _, port, _ := net.SplitHostPort(address); !strings.HasPrefix(address, "[::1]") {
					address = "127.0.0.1:" + port
				}
				for range 2 {
					order(t, testproc.Spawn(t, "abuse", []*os.File{l.File()}), how)
					healed := h.next()
					if healed.What != "shut down" || healed.Listener != l.Name || healed.Address != l.Address || healed.Err != nil ||
						healed.Renewed != (network == "unix") {
						t.Fatalf("told %+v", healed)
					}
					if err := reaches(network, address); err != nil {
						t.Fatal(err)
					}
					if !nonblocking(t, l) {
						t.Error("the listener blocks")
					}
					server := testproc.Spawn(t, "accept", []*os.File{l.File()})
					server.Line()
					wantServed(t, network, address)
				}
			})
		}
	}
}

// Several workers shut down the same listener, or one does so twice. The second time marks the
// socket, and its connections would inherit the mark.
func TestShutdownTwiceIsHealed(t *testing.T) {
	h, opened := newHealer(t, "127.0.0.1:0")
	l := opened[0]
	worker := testproc.Spawn(t, "abuse", []*os.File{l.File()})
	shutAgain := func() {
		worker.Say("shutdown")
		if line := worker.Line(); line == "shutdown <nil>" {
			t.Fatal("it was not shut down")
		}
	}
	serves := func() {
		t.Helper()
		server := testproc.Spawn(t, "accept", []*os.File{l.File()})
		server.Line()
		wantServed(t, "tcp", l.Address)
	}
	for range 2 {
		if err := h.Park(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Restore(l); err != nil {
		t.Fatal(err)
	}
	serves()
	if err := h.Park(l); err != nil {
		t.Fatal(err)
	}
	shutAgain()
	if err := h.Restore(l); err != nil {
		t.Fatal(err)
	}
	serves()

	listeners.Locked(h.Set, func() { // before it can heal
		order(t, worker, "shutdown")
		shutAgain()
	})
	h.next()
	serves()
}

func wantServed(t *testing.T, network, address string) {
	t.Helper()
	conn, err := net.DialTimeout(network, address, tooLong)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(tooLong))
	if line, err := io.ReadAll(conn); string(line) != "served\n" {
		t.Fatalf("the client read %q, %v", line, err)
	}
}

// A client that connects between the damage and the mending is refused for a moment only.
func TestRefusedForAMoment(t *testing.T) {
	h, opened := newHealer(t, "127.0.0.1:0")
	l := opened[0]
	worker := testproc.Spawn(t, "abuse", []*os.File{l.File()})
	var worst time.Duration
	for range 20 {
		order(t, worker, "shutdown")
		began := time.Now()
		for reaches("tcp", l.Address) != nil {
			if time.Since(began) > tooLong {
				t.Fatal("refused forever")
			}
		}
		worst = max(worst, time.Since(began))
		h.next()
	}
	t.Logf("refused for at most %v", worst)
}

// An inspection finds the damage that the kernel does not report.
func TestInspect(t *testing.T) {
	h, opened := newHealer(t, "127.0.0.1:0,backlog=9", "b=unix:"+testproc.SocketPath(t), "c=udp:127.0.0.1:0")
	if found := h.Inspect(); len(found) > 0 {
		t.Fatalf("damage found in undamaged listeners: %+v", found)
	}
	worker := testproc.Spawn(t, "abuse", []*os.File{opened[0].File()})
	order(t, worker, "block")
	order(t, worker, "shorten")
	order(t, testproc.Spawn(t, "abuse", []*os.File{opened[1].File()}), "block")
	order(t, testproc.Spawn(t, "abuse", []*os.File{opened[2].File()}), "block")
	var found []string
	for _, healed := range h.Inspect() {
		if healed.Err != nil {
			t.Error(healed.Err)
		}
		found = append(found, healed.Listener+" "+healed.What)
	}
	want := "listen made blocking; listen accept queue shortened to 1; b made blocking; c made blocking"
	if got := strings.Join(found, "; "); got != want {
		t.Errorf("found %q, want %q", got, want)
	}
	for _, l := range opened {
		if !nonblocking(t, l) {
			t.Errorf("%s blocks", l.Name)
		}
	}
	if got := acceptQueue(t, opened[0]); got != 9 {
		t.Errorf("the accept queue has length %d, want 9", got)
	}
	if found := h.Inspect(); len(found) > 0 {
		t.Errorf("found after mending: %+v", found)
	}
}

// While workers are young, Watch inspects the listeners without a request.
func TestWatch(t *testing.T) {
	h, opened := newHealer(t, "127.0.0.1:0")
	worker := testproc.Spawn(t, "abuse", []*os.File{opened[0].File()})
	h.Watch(time.Hour)
	h.Watch(time.Millisecond) // the call that ends last counts
	for range 2 {
		order(t, worker, "block")
		if healed := h.next(); healed.What != "made blocking" {
			t.Errorf("healed %+v", healed)
		}
	}
}

// After its time Watch stops looking, and can be called again.
func TestWatchEnds(t *testing.T) {
	h, opened := newHealer(t, "127.0.0.1:0")
	h.Watch(time.Millisecond)
	h.Watch(120 * time.Millisecond)
	listeners.AwaitLooker(h.Set)
	worker := testproc.Spawn(t, "abuse", []*os.File{opened[0].File()})
	order(t, worker, "block")
	select {
	case healed := <-h.heals:
		t.Errorf("healed %+v after the end", healed)
	case <-time.After(200 * time.Millisecond):
	}
	h.Watch(time.Hour)
	h.next()
}

// Clients do not wake the master: the epoll set asks for hangups only.
func TestClientsDoNotWake(t *testing.T) {
	needsTaskStats(t)
	m := testproc.Spawn(t, "idle", nil)
	address := m.Line()
	before := switches(m)
	for range 500 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	// An idle Go runtime wakes up now and then without a cause.
	if woken := switches(m) - before; woken > 100 {
		t.Errorf("500 clients woke the master %d times", woken)
	}
	m.Say("shutdown")
	if line := m.Line(); line != "shut down" {
		t.Fatalf("the hangup did not wake the master: %s", line)
	}
}

func TestRenewLeavesAnothersPath(t *testing.T) {
	path := testproc.SocketPath(t)
	h, opened := newHealer(t, "unix:"+path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	strange(t, path)
	order(t, testproc.Spawn(t, "abuse", []*os.File{opened[0].File()}), "shutdown")
	healed := h.next()
	wantContains(t, healed.Err, "cannot renew listener listen", "another program has its own file")
	if found := h.Inspect(); len(found) > 0 {
		t.Errorf("reported again: %+v", found)
	}
	if err := reaches("unix", path); err != nil {
		t.Errorf("the other's socket: %v", err)
	}
	if _, err := os.Lstat(path + "~new"); err == nil {
		t.Error("a new socket is left")
	}
}

func needsTaskStats(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/proc/self/task"); err != nil {
		testreq.Missing(t, err.Error())
	}
}

// TestUsualQueue: what Node does to the accept queue at each start is mended, and not reported.
func TestUsualQueue(t *testing.T) {
	set, _ := newSet(t)
	opened, err := set.Listen(wanted(t, "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	fd := int(opened[0].File().Fd())
	queue := func() int {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			t.Fatal(err)
		}
		return int(info.Sacked)
	}
	before := queue()
	if err := unix.Listen(fd, 511); err != nil {
		t.Fatal(err)
	}
	if before > 511 && queue() != 511 {
		t.Errorf("the queue has %d places", queue())
	}
	if found := set.Inspect(); len(found) > 0 {
		t.Errorf("it is reported: %+v", found)
	}
	if now := queue(); now != before {
		t.Errorf("the queue has %d places, want %d", now, before)
	}
}

// TestConnectedUDP: a worker that connects the shared UDP socket shuts out all other clients, until
// that is mended.
func TestConnectedUDP(t *testing.T) {
	needIPv6(t)
	for _, text := range []string{"udp:127.0.0.1:0", "udp::0"} {
		h, opened := newHealer(t, text)
		l := opened[0]
		var to unix.Sockaddr = &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}}
		if !strings.HasPrefix(l.Address, "127.") {
			to = &unix.SockaddrInet6{Port: 9, Addr: [16]byte{15: 1}}
		}
		for range 2 {
			if err := unix.Connect(fd(l), to); err != nil {
				t.Fatal(err)
			}
			h.Inspect()
			if healed := h.next(); !strings.HasPrefix(healed.What, "connected to ") || healed.Err != nil {
				t.Errorf("%s: %+v", text, healed)
			}
			if err := reachesUDP(l); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
}
