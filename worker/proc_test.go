package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"relevo/internal/ipc"
	"relevo/internal/testreq"
	"relevo/internal/workertest"
)

// channelPair returns a managed proc and the master's end of its channel.
func channelPair(t *testing.T) (*proc, net.Conn) {
	t.Helper()
	ours, theirs, err := ipc.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	master, err := net.FileConn(ours)
	if err != nil {
		t.Fatal(err)
	}
	// A descriptor of its own, because the proc closes the one it is given.
	fd, err := syscall.Dup(int(theirs.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	p := newProc(env("RELEVO_WORKER=w1", "RELEVO_SLOT=0", "RELEVO_GENERATION=1", "RELEVO_IPC_FD="+strconv.Itoa(fd)), 1)
	p.raise = func() { t.Error("the process would have signalled itself") }
	t.Cleanup(func() {
		master.Close()
		if ch, _ := p.open(); ch != nil {
			<-ch.done
		}
	})
	_ = master.SetDeadline(time.Now().Add(tooLong))
	return p, master
}

func expect(t *testing.T, r *ipc.Reader, want ipc.Message) {
	t.Helper()
	got, err := r.Next()
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got %#v, %v, want %#v", got, err, want)
	}
}

func TestChannelBothWays(t *testing.T) {
	p, master := channelPair(t)
	r := ipc.NewReader(master)
	if err := errors.Join(p.ready(), p.status("two\nlines"), p.load(0.7), p.send(map[string]int{"n": 1})); err != nil {
		t.Fatal(err)
	}
	expect(t, r, ipc.Hello{Protocol: ipc.Protocol, Pong: true})
	expect(t, r, ipc.Ready{})
	expect(t, r, ipc.Status{Text: "two lines"})
	expect(t, r, ipc.Load{Value: 0.7})
	for _, wrong := range []float64{-0.1, math.NaN(), math.Inf(1), 1e9} {
		if err := p.load(wrong); err == nil {
			t.Errorf("a load of %g is told", wrong)
		}
	}
	expect(t, r, ipc.App{Data: json.RawMessage(`{"n":1}`)})
	if err := p.send(map[string]int{"relevo": 1}); !errors.Is(err, ErrReserved) {
		t.Errorf("got %v", err)
	}
	if err := p.send(strings.Repeat("x", ipc.MaxLine)); !errors.Is(err, ErrLineTooLong) {
		t.Errorf("got %v", err)
	}
	states := make(chan State)
	p.onState(func(s State) { states <- s })
	fmt.Fprint(master,
		`{"relevo":"state","slot":3,"generation":4,"workers":[{"slot":1,"id":"w9","pid":8,"generation":2,`+
			`"state":"serving"}]}`+"\n"+`{"relevo":"news"}`+"\n")
	want := State{Slot: 3, Generation: 4, Workers: []Peer{{Slot: 1, ID: "w9", PID: 8, Generation: 2, State: "serving"}}}
	if s := <-states; !reflect.DeepEqual(s, want) {
		t.Errorf("got %+v, want %+v", s, want)
	}
	fmt.Fprint(master, `{"relevo":"ping"}`+"\n")
	expect(t, r, ipc.Pong{})
	drain := p.drainingChan()
	fmt.Fprint(master, `{"relevo":"drain","deadline_ms":1500}`+"\n")
	<-drain
	if got := p.limit(0); got != 1500*time.Millisecond {
		t.Errorf("limit is %v", got)
	}
	if got := p.limit(time.Second); got != time.Second {
		t.Errorf("limit is %v", got)
	}
}

// A flood of messages before and during OnMessage: the channel is read on, nothing is lost below
// the limit, and the order is kept.
func TestFloodOfMessages(t *testing.T) {
	p, master := channelPair(t)
	const count = 50_000
	if err := p.ready(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for i := range count {
			fmt.Fprintf(master, "%d\n", i)
		}
		fmt.Fprint(master, `{"relevo":"drain","deadline_ms":1}`+"\n")
	}()
	<-p.drainingChan() // although nobody takes a message
	got := make(chan int)
	p.onMessage(func(m json.RawMessage) {
		n, _ := strconv.Atoi(string(m))
		got <- n
	})
	for i := range count {
		if n := <-got; n != i {
			t.Fatalf("message %d came as number %d", n, i)
		}
	}
	if lost := p.messages.lostSoFar(); lost != 0 {
		t.Errorf("%d lost", lost)
	}
}

func TestLossIsCountedAndReportedOnce(t *testing.T) {
	reports := 0
	b := mailbox[string]{limit: 10, size: func(s string) int { return len(s) }, onLoss: func(uint64) { reports++ }}
	for range 5 {
		b.put("four")
	}
	if b.lostSoFar() != 3 || reports != 1 {
		t.Errorf("%d lost, %d reports", b.lostSoFar(), reports)
	}
	got := make(chan string)
	b.handle(func(s string) { got <- s })
	if a := <-got + <-got; a != "fourfour" {
		t.Errorf("got %q", a)
	}
	b.put("five") // there is room again
	if a := <-got; a != "five" {
		t.Errorf("got %q", a)
	}
}

func TestNewestStateOnly(t *testing.T) {
	b := mailbox[int]{newestOnly: true}
	for i := range 10 {
		b.put(i)
	}
	got := make(chan int)
	for range 2 { // a second function hears the last value as well
		b.handle(func(i int) { got <- i })
		if i := <-got; i != 9 {
			t.Errorf("got %d", i)
		}
	}
}

func TestMasterGone(t *testing.T) {
	p, master := channelPair(t)
	if err := p.ready(); err != nil {
		t.Fatal(err)
	}
	master.Close()
	<-p.channel.done
	if err := p.send(1); !errors.Is(err, errChannelGone) {
		t.Errorf("got %v", err)
	}
	if isClosed(p.drainingChan()) {
		t.Error("the end of the channel counts as a drain")
	}
}

func TestMasterThatSpeaksNonsense(t *testing.T) {
	p, master := channelPair(t)
	_ = p.drainingChan()
	fmt.Fprint(master, "hello?\n")
	<-p.channel.done
	if err := p.ready(); !errors.Is(err, errChannelGone) || !strings.Contains(err.Error(), "hello?") {
		t.Errorf("got %v", err)
	}
}

func TestChannelThatIsNone(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	fd := strconv.Itoa(int(file.Fd()))
	p := newProc(env("RELEVO_WORKER=w1", "RELEVO_SLOT=0", "RELEVO_GENERATION=1", "RELEVO_IPC_FD="+fd), 1)
	if err := p.ready(); err == nil || !strings.Contains(err.Error(), "RELEVO_IPC_FD="+fd) {
		t.Errorf("got %v", err)
	}
	if _, err := file.Stat(); err != nil {
		t.Errorf("somebody's file was closed: %v", err)
	}
}

func TestNotifySocket(t *testing.T) {
	for _, name := range []string{filepath.Join(t.TempDir(), "n"), "@relevo-test-" + strconv.Itoa(os.Getpid())} {
		conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		p := newProc(env("NOTIFY_SOCKET="+name), 1)
		if err := errors.Join(p.ready(), p.status("a\nREADY=0"), p.send("nowhere to go")); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		for _, want := range []string{"READY=1", "STATUS=a READY=0"} {
			n, err := conn.Read(buf)
			if got := string(buf[:n]); err != nil || got != want {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		}
	}
}

func TestStandalone(t *testing.T) {
	p := newProc(env(), 1)
	if err := errors.Join(p.ready(), p.status("x"), p.send(1)); err != nil || p.managed {
		t.Errorf("managed %v, %v", p.managed, err)
	}
	ln, err := p.listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	pc, err := p.listenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pc.Close()
	if _, err := p.listen("tcp", "web"); err == nil || !strings.Contains(err.Error(), "give an address") {
		t.Errorf("got %v", err)
	}
	if isClosed(p.drainingChan()) {
		t.Error("draining")
	}
}

func TestListenInAChild(t *testing.T) {
	for _, c := range []struct{ name, addr, env, first, second, identity string }{
		{"by name", "web", "", "first: <nil>", "in use already", "identity: true true {Name:test Slot:0 ID:w1 Generation:1}"},
		{"by address", "", "", "first: <nil>", "in use already", "identity: true true"},
		{"the only one", ":1", "", "first: <nil>", "in use already", "identity: true true"},
		{"another process's", "127.0.0.1:0", "LISTEN_PID=1", "first: <nil>", "second: <nil>", "identity: false false"},
		{"another process's name", "web", "LISTEN_PID=1", "were passed to process 1, not to this one", "by exec",
			"identity: false false"},
		{"two sockets, one of them none", "127.0.0.1:1", "LISTEN_FDS=3", `the master passed "web" tcp 127.0.0.1:`,
			"name one of these", "identity: true true"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := workertest.NewMaster(t)
			if c.addr == "" {
				c.addr = m.Addr
			}
			s := spec("listens", "ADDR="+c.addr)
			if c.env != "" { // the last word on what the master's shell has set
				s.Command = []string{"env", c.env, os.Args[0]}
			}
			w := m.Start(s)
			if err := w.Wait(); err != nil {
				t.Fatal(err, w.Output())
			}
			inherits := "child: 0 sockets <nil>"
			if strings.HasPrefix(c.env, "LISTEN_PID") {
				inherits = "child: " // not ours to touch
			}
			for _, want := range []string{inherits, c.first, c.second, c.identity} {
				if !strings.Contains(w.Output(), want) {
					t.Errorf("output is %q, want %q in it", w.Output(), want)
				}
			}
		})
	}
}

func TestDrainForProgramsWithoutServe(t *testing.T) {
	for role, want := range map[string]string{"hasty": "got SIGTERM", "own": "asked to drain"} {
		m := workertest.NewMaster(t)
		w := m.Start(spec(role)).WaitReady()
		w.Send(ipc.Drain{DeadlineMS: 1000})
		if err := w.Wait(); err != nil || !strings.Contains(w.Output(), want) {
			t.Errorf("%s ended with %v: %q", role, err, w.Output())
		}
	}
}

// Sockets that nobody took are closed at the drain, and datagram sockets arrive.
func TestInheritedSockets(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	m := workertest.NewMaster(t)
	s := &sockets{}
	for name, c := range map[string]syscall.Conn{"dns": udp.(*net.UDPConn), "web": m.Listener, "spare": m.Listener} {
		file := workertest.Dup(t, c)
		fd, err := syscall.Dup(int(file.Fd())) // the sockets own and close theirs
		file.Close()
		if err != nil {
			t.Fatal(err)
		}
		k := &socket{fd: fd, name: name}
		k.stream, k.addr, k.err = describe(fd)
		s.all = append(s.all, k)
	}
	ln, err := s.listener("tcp", "web")
	if err != nil || ln.Addr().String() != m.Addr {
		t.Fatal(ln, err)
	}
	pc, err := s.packetConn("udp", udp.LocalAddr().String())
	if err != nil || pc.LocalAddr().String() != udp.LocalAddr().String() {
		t.Fatal(pc, err)
	}
	defer pc.Close()
	s.closeUnclaimed()
	if _, err := s.listener("tcp", "spare"); err == nil {
		t.Error("a listener after the drain began")
	}
	ln.Close()
	if n := holders(t, m.Listener); n != 1 {
		t.Errorf("this process holds the listener by %d descriptors, want the master's only", n)
	}
}

// holders counts this process's descriptors of a socket.
func holders(t *testing.T, c syscall.Conn) (n int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var socket string
	_ = raw.Control(func(fd uintptr) { socket, err = os.Readlink(fmt.Sprint("/proc/self/fd/", fd)) })
	fds, err2 := os.ReadDir("/proc/self/fd")
	if err := errors.Join(err, err2); err != nil {
		testreq.Missing(t, "no /proc: "+err.Error())
	}
	for _, fd := range fds {
		if link, _ := os.Readlink("/proc/self/fd/" + fd.Name()); link == socket {
			n++
		}
	}
	return n
}
