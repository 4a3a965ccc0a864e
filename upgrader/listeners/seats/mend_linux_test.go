package seats_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/upgrader/listeners/seats"
)

// crew is a group with workers that accept and do not serve yet.
type crew struct {
	*seats.Group
	t      *testing.T
	common *os.File
	names  []string // of the workers
	files  map[string]*os.File
}

func newCrew(t *testing.T, address string, n int) *crew {
	t.Helper()
	g, common := newGroup(t, address)
	c := &crew{Group: g, t: t, common: common, files: map[string]*os.File{}}
	serve(t, common, "common")
	for slot := range n {
		name := fmt.Sprint("w", slot)
		c.names, c.files[name] = append(c.names, name), take(t, g, name, slot)
		serve(t, c.files[name], name)
	}
	return c
}

// inOrder checks that each worker gets what is steered to it: the group's list has the kernel's
// order.
func (c *crew) inOrder() {
	c.t.Helper()
	for i, name := range c.names {
		must(c.t, c.Serve(name))
		for _, other := range c.names {
			if other != name {
				must(c.t, c.Leave(other))
			}
		}
		if got := ask(c.t, c.Group, "127.0.0.1"); got != name {
			c.t.Fatalf("%q served instead of %s, number %d", got, name, i)
		}
	}
}

// shut does what a worker does with its copy of the seat.
func (c *crew) shut(name string) {
	c.t.Helper()
	must(c.t, unix.Shutdown(int(c.files[name].Fd()), unix.SHUT_RDWR))
}

func (c *crew) listen(name string) {
	c.t.Helper()
	must(c.t, unix.Listen(int(c.files[name].Fd()), 5))
}

// listens asks the kernel whether a socket listens.
func listens(t *testing.T, socket *os.File) bool {
	t.Helper()
	listening, err := unix.GetsockoptInt(int(socket.Fd()), unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	must(t, err)
	return listening != 0
}

// harms are what workers do to their sockets, several at once and in any order.
var harms = map[string]func(c *crew){
	"nothing":     func(*crew) {},
	"the first":   func(c *crew) { c.shut("w0") },
	"the last":    func(c *crew) { c.shut("w4") },
	"two":         func(c *crew) { c.shut("w0"); c.shut("w2") },
	"two, other":  func(c *crew) { c.shut("w2"); c.shut("w0") },
	"three":       func(c *crew) { c.shut("w3"); c.shut("w0"); c.shut("w1") },
	"all":         func(c *crew) { c.shut("w3"); c.shut("w0"); c.shut("w4"); c.shut("w2"); c.shut("w1") },
	"twice":       func(c *crew) { c.shut("w1"); unix.Shutdown(int(c.files["w1"].Fd()), unix.SHUT_RDWR) },
	"and listens": func(c *crew) { c.shut("w1"); c.listen("w1") },
	"one listens, one does not": func(c *crew) {
		c.shut("w1")
		c.shut("w0")
		c.listen("w1")
	},
	"the common one": func(c *crew) {
		must(c.t, unix.Shutdown(int(c.common.Fd()), unix.SHUT_RDWR))
	},
	"the common one, mended by its owner": func(c *crew) {
		must(c.t, unix.Shutdown(int(c.common.Fd()), unix.SHUT_RDWR))
		must(c.t, unix.Bind(int(c.common.Fd()), &unix.SockaddrInet4{Port: int(c.Address().Port())}))
		must(c.t, unix.Listen(int(c.common.Fd()), 5))
	},
	"all and the common one": func(c *crew) {
		for _, name := range c.names {
			c.shut(name)
		}
		must(c.t, unix.Shutdown(int(c.common.Fd()), unix.SHUT_RDWR))
	},
}

// Whatever workers have done to their sockets, each one gets the connections for it after Heal.
func TestShutdown(t *testing.T) {
	for name, harm := range harms {
		t.Run(name, func(t *testing.T) {
			c := newCrew(t, "0.0.0.0:0", 5)
			for _, name := range c.names {
				must(t, c.Serve(name))
			}
			harm(c)
			must(t, c.Heal())
			for _, name := range c.names {
				if !listens(t, c.files[name]) {
					t.Errorf("the socket of %s does not listen after Heal", name)
				}
			}
			// The workers still accept, so a socket that listens again serves again.
			c.inOrder()
			must(t, c.ServeCommon(1))
			for _, name := range c.names {
				must(t, c.Leave(name))
			}
			if got := ask(t, c.Group, "127.0.0.1"); got != "common" {
				t.Errorf("%q served instead of the common socket", got)
			}
		})
	}
}

// A second shutdown marks a socket: each of its connections would read an end-of-file.
func TestShutdownTwice(t *testing.T) {
	g, _ := newGroup(t, "127.0.0.1:0")
	file := take(t, g, "w0", 0)
	must(t, unix.Shutdown(int(file.Fd()), unix.SHUT_RDWR))
	if unix.Shutdown(int(file.Fd()), unix.SHUT_RDWR) == nil {
		t.Fatal("the socket still listens")
	}
	must(t, g.Serve("w0")) // this mends it
	client := dial(t, g, "127.0.0.1")
	defer client.Close()
	l, err := net.FileListener(file)
	must(t, err)
	defer l.Close()
	conn, err := l.Accept()
	must(t, err)
	defer conn.Close()
	_, err = client.Write([]byte("x"))
	must(t, err)
	if n, err := conn.Read(make([]byte, 9)); n != 1 || err != nil {
		t.Errorf("the worker read %d bytes, %v", n, err)
	}
}

// The next worker of a slot gets an undamaged seat, whatever the previous one did to it.
func TestShutdownBeforeTake(t *testing.T) {
	c := newCrew(t, "127.0.0.1:0", 4)
	c.shut("w1")
	must(t, c.Gone("w1"))
	if take(t, c.Group, "next", 1) != c.files["w1"] {
		t.Error("the slot's seat was not used")
	}
	c.names[1] = "next"
	serve(t, c.files["w1"], "next")
	for i, name := range c.names { // two workers accept at the seat
		must(t, c.Serve(name))
		must(t, c.Leave(c.names[(i+3)%4]))
		if got := ask(t, c.Group, "127.0.0.1"); got != name && (name != "next" || got != "w1") {
			t.Errorf("%q served instead of %s", got, name)
		}
	}
}

// A worker that shuts down its socket gets no more clients; the others get theirs.
func TestShutdownLeaves(t *testing.T) {
	c := newCrew(t, "127.0.0.1:0", 3)
	for _, name := range c.names {
		must(t, c.Serve(name))
	}
	c.shut("w1")
	must(t, c.Tend())
	if !listens(t, c.files["w1"]) {
		t.Fatal("the socket that was shut down does not listen again")
	}
	if c.Serving("w1") || !c.Serving("w0") || !c.Serving("w2") {
		t.Error("Serving is wrong about a worker")
	}
	for range 64 {
		if got := ask(t, c.Group, "127.0.0.1"); got == "w1" {
			t.Fatal("the worker that shut its socket down served")
		}
	}
	c.shut("w0")
	c.shut("w2")
	must(t, c.Heal())
	if !c.Serving("w0") || !c.Serving("w2") {
		t.Error("no worker serves")
	}
}

// While the kernel's order differs from the group's list, connections may end in a queue that no
// worker serves. Stranded finds them.
func TestStranded(t *testing.T) {
	g, _ := newGroup(t, "127.0.0.1:0")
	first, free := take(t, g, "w0", 0), take(t, g, "w1", 1)
	serve(t, take(t, g, "w2", 2), "w2")
	must(t, g.Gone("w1"))
	must(t, g.Serve("w0"))
	must(t, unix.Shutdown(int(first.Fd()), unix.SHUT_RDWR)) // w2 is now at the index of w0
	if got := ask(t, g, "127.0.0.1"); got != "w2" {
		t.Fatalf("%q served", got)
	}
	// The group's list now gives w2 the index 3, at which there is no socket: the kernel chooses.
	must(t, g.Serve("w2"))
	must(t, g.Leave("w0"))
	var lost []net.Conn
	eventually(t, "a connection is stranded", func() bool {
		conn := dial(t, g, "127.0.0.1")
		t.Cleanup(func() { conn.Close() })
		lost = append(lost, conn)
		for _, s := range g.Stranded() {
			if s.File == free {
				return true
			}
		}
		return false
	})
	err := g.Heal()
	must(t, err)
	must(t, g.ServeCommon(0))
	serve(t, take(t, g, "w3", 1), "w3")
	if s := g.Stranded(); len(s) > 1 || len(s) == 1 && s[0].ID != 0 {
		t.Errorf("stranded: %+v", s)
	}
	if got := answer(t, lost[len(lost)-1]); got != "w3" {
		t.Errorf("%q served", got)
	}
}

// Verify is right even while the kernel drops other packets.
func TestVerifyInNoise(t *testing.T) {
	c := newCrew(t, "127.0.0.1:0", 4)
	full, err := c.Take("full", 9, seats.SocketOptions{Backlog: 1})
	must(t, err)
	must(t, c.Serve("full"))
	ctx, cancel := context.WithCancel(t.Context())
	var flood []net.Conn
	for range 2 { // as many as fit
		flood = append(flood, dial(t, c.Group, "127.0.0.1"))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			short, cancel := context.WithTimeout(ctx, 200*1000) // 200 µs
			conn, err := (&net.Dialer{}).DialContext(short, "tcp", c.Address().String())
			if err == nil {
				conn.Close()
			}
			cancel()
		}
	}()
	for range 20 {
		c.shut("w0")
		c.listen("w0")
		c.shut("w2")
		err := c.Heal()
		must(t, err)
	}
	cancel()
	<-done
	for _, conn := range flood {
		conn.Close()
	}
	must(t, c.Gone("full"))
	_ = full
	c.inOrder()
}

// A socket of another process in the group is noticed, and gets no connection.
func TestStranger(t *testing.T) {
	c := newCrew(t, "127.0.0.1:0", 2)
	stranger := listenShared(t, c.Address().String())
	serve(t, stranger, "stranger")
	c.names = append(c.names, "w2")
	serve(t, take(t, c.Group, "w2", 2), "w2")
	c.inOrder()
	legacy, _ := c.Legacy()
	var ids []int
	for _, m := range legacy.Members {
		ids = append(ids, m.ID)
	}
	if !slices.Equal(ids, []int{0, 1, 2, -1, 3}) {
		t.Errorf("the members are %v", ids)
	}
	_, files := c.Legacy()
	state, copies := passOn(t, legacy, files)
	heir, err := seats.TakeOver(c.common, state, copies, options(t))
	must(t, err)
	c.Group.Detach()
	t.Cleanup(func() { heir.Close() })
	c.Group = heir
	c.inOrder()
	must(t, unix.Shutdown(int(stranger.Fd()), unix.SHUT_RDWR))
	err = c.Heal()
	must(t, err)
	c.inOrder()
}

// Seats that are not needed are closed, beginning with the last one. A seat in which a client waits
// is not closed.
func TestTrim(t *testing.T) {
	c := newCrew(t, "127.0.0.1:0", 6)
	seats := func() int {
		_, files := c.Legacy()
		return len(files)
	}
	must(t, c.Serve("w1"))
	for _, name := range []string{"w0", "w2", "w4", "w5"} {
		must(t, c.Gone(name))
	}
	must(t, c.Trim(3))
	if n := seats(); n != 5 {
		t.Errorf("%d seats, want 5", n)
	}
	must(t, c.Trim(0))
	if n := seats(); n != 4 { // w3 holds the last seat, and only the last one can be closed
		t.Errorf("%d seats, want 4", n)
	}
	must(t, c.Gone("w3"))
	must(t, c.Gone("w1"))
	must(t, c.Trim(0))
	if n := seats(); n != 2 || !steeredTo(c, 2) {
		t.Errorf("%d seats, want 2: new connections go to the second", n)
	}
	must(t, c.ServeCommon(1))
	must(t, c.Trim(0))
	if n := seats(); n != 0 {
		t.Errorf("%d seats are left", n)
	}
	if got := ask(t, c.Group, "127.0.0.1"); got != "common" {
		t.Errorf("%q served", got)
	}
}

func steeredTo(c *crew, id int) bool {
	legacy, _ := c.Legacy()
	for _, m := range legacy.Members {
		if m.ID == id && m.Share > 0 {
			return true
		}
	}
	return false
}

func TestTrimLeavesWaiting(t *testing.T) {
	g, common := newGroup(t, "127.0.0.1:0")
	serve(t, common, "common")
	take(t, g, "w0", 0)
	must(t, g.Serve("w0"))
	conn := dial(t, g, "127.0.0.1")
	defer conn.Close()
	eventually(t, "in the queue", func() bool { return queue(t, g, "w0").Waiting == 1 })
	must(t, g.Gone("w0"))
	must(t, g.ServeCommon(1))
	must(t, g.Trim(0))
	serve(t, take(t, g, "w1", 0), "w1")
	if got := answer(t, conn); got != "w1" {
		t.Errorf("%q served", got)
	}
}
