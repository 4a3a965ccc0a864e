package rescue

import (
	"bufio"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stage is a connection whose worker is this process.
type stage struct {
	t       *testing.T
	client  net.Conn
	fd      int // the worker's end; it blocks
	port    uint16
	holding *Holding
}

func newStage(t *testing.T) *stage {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	s := &stage{t: t, port: listener.Addr().(*net.TCPAddr).AddrPort().Port(), holding: Take(func(netip.Addr) bool {
		return true
	}, nil)}
	if s.client, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.client.Close() })
	s.client.SetDeadline(time.Now().Add(tooLong))
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	file, err := accepted.(*net.TCPConn).File() // it blocks
	accepted.Close()
	if err != nil {
		t.Fatal(err)
	}
	s.fd = int(file.Fd())
	t.Cleanup(func() { s.holding.Cancel(); s.client.Close(); file.Close() })
	return s
}

// ask sends a request, which the worker's end has when ask returns.
func (s *stage) ask(request string) {
	s.t.Helper()
	before := s.received()
	if _, err := s.client.Write([]byte(request)); err != nil {
		s.t.Fatal(err)
	}
	s.await("the request to arrive", func() bool { return s.received() == before+uint64(len(request)) })
}

func (s *stage) received() uint64 {
	info, err := unix.GetsockoptTCPInfo(s.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		s.t.Fatal(err)
	}
	return info.Bytes_received
}

func (s *stage) await(what string, done func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(tooLong); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (s *stage) look() (done bool) {
	s.t.Helper()
	done, err := s.holding.Look([]int{os.Getpid()}, []uint16{s.port})
	if err != nil {
		s.t.Fatal(err)
	}
	return done
}

func (s *stage) held() bool {
	for _, c := range s.holding.known {
		return c.course.held
	}
	return false
}

// read has a thread read the worker's end.
func (s *stage) read() <-chan string {
	came := make(chan string, 1)
	go func() {
		// A signal restarts the read, which then takes what is there: the relay that
		// ends is a child of this process, not of a worker.
		runtime.LockOSThread() // the thread ends with the goroutine
		all := unix.Sigset_t{}
		for i := range all.Val {
			all.Val[i] = ^all.Val[i]
		}
		unix.PthreadSigmask(unix.SIG_SETMASK, &all, nil)
		b := make([]byte, 8192)
		n, _ := unix.Read(s.fd, b)
		came <- string(b[:max(0, n)])
	}()
	return came
}

func (s *stage) came(read <-chan string) string {
	s.t.Helper()
	select {
	case got := <-read:
		return got
	case <-time.After(tooLong):
		s.client.Close() // ends the read
		s.t.Fatal("the worker still waits in its read")
		return ""
	}
}

const request = "GET / HTTP/1.1\r\n\r\n"

// A thread that waits in a read is not woken by what the client sends next, so that the
// relay gets it.
func TestHoldWaitingRead(t *testing.T) {
	s := newStage(t)
	came := s.read()
	s.await("a thread to wait", func() bool { return readers{}.of(os.Getpid(), s.fd) != 0 })
	s.await("the connection to be held", func() bool { return s.look() && s.held() })
	s.ask(request)
	for _, c := range s.holding.known {
		if early := newSharedConn(c.fd, newWorker(1)).early; string(early) != request {
			t.Errorf("the relay takes %q", early)
		}
	}
	s.holding.Cancel()
	s.ask("POST")
	if got := s.came(came); got != "POST" {
		t.Errorf("the worker reads %q", got)
	}
}

// A worker that has begun to work for a client is let alone: its next read that blocks
// would take the rest, and wait for more.
func TestHoldBusyWorker(t *testing.T) {
	s := newStage(t)
	s.ask(request)
	if s.look() || s.held() {
		t.Error("a connection is held whose request waits for the worker")
	}
	b := make([]byte, 8192)
	if n, err := unix.Read(s.fd, b[:4]); n != 4 {
		t.Fatal(n, err)
	}
	if n, err := unix.Read(s.fd, b); n != len(request)-4 {
		t.Fatal(n, err)
	}
	if s.look() || s.held() {
		t.Error("a connection is held whose request is being worked on")
	}
	s.ask("its body")
	if got := s.came(s.read()); got != "its body" {
		t.Errorf("the worker reads %q", got)
	}
}

// The worker may be woken in the moment in which its connection is held: then it is not.
func TestHoldTooLate(t *testing.T) {
	s := newStage(t)
	unix.SetNonblock(s.fd, true)
	s.ask(request)
	if n, err := unix.Read(s.fd, make([]byte, 8192)); n != len(request) {
		t.Fatal(n, err)
	}
	c := &connection{fd: s.fd, pid: os.Getpid(), theirs: s.fd}
	l, err := c.look(readers{})
	if err != nil {
		t.Fatal(err)
	}
	s.ask(strings.ToLower(request))
	if c.hold(l) {
		t.Error("a connection is held after the next request had come")
	}
	if lowest, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT); err != nil || lowest > 1 {
		t.Errorf("the least that wakes is %d bytes afterwards (%v)", lowest, err)
	}
}

func TestMain(m *testing.M) {
	if code, relaying := Main(os.Args); relaying {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// A request that is held back does not wait for the end of all others: a relay serves it
// while the worker lives, and reads. The app is gone here, so that it answers 502.
func TestLateRequest(t *testing.T) {
	s := newStage(t)
	came := s.read()
	s.await("a thread to wait", func() bool { return readers{}.of(os.Getpid(), s.fd) != 0 })
	s.await("the connection to be held", func() bool { return s.look() && s.held() })
	s.ask(request)
	s.await("the request to be late", func() bool { s.look(); return s.holding.Late() })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	relay, err := s.holding.HandOver(t.Context(), self, pidfd, run)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(s.client), nil)
	if err != nil || answer.StatusCode != http.StatusBadGateway || !answer.Close {
		t.Errorf("the relay answers %+v, %v", answer, err)
	}
	if !s.look() || s.holding.Late() {
		t.Error("the connection is taken again from the worker, which is not closed yet")
	}
	s.client.Close()
	if got := s.came(came); got != "" {
		t.Errorf("the worker reads %q", got)
	}
	if relay.Cuts(t.Context(), func() {
		t.Error("the relay says that it has cut a connection")
	}); len(relay.Connections) != 1 {
		t.Errorf("the relay has %d connections", len(relay.Connections))
	}
}

// What is not HTTP/1 ends with its worker: the relay cuts it, and says so.
func TestForeignRequest(t *testing.T) {
	s := newStage(t)
	unix.SetNonblock(s.fd, true)
	s.await("the connection to be idle", func() bool { return s.look() && s.held() })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	relay, err := s.holding.HandOver(t.Context(), self, pidfd, run)
	if err != nil {
		t.Fatal(err)
	}
	s.ask("\x17\x03\x03")
	cut := 0
	if relay.Cuts(t.Context(), func() { cut++ }); cut != 1 {
		t.Errorf("%d connections are cut", cut)
	}
}

// run runs a child to its end.
func run(start func() (int, error)) error {
	pid, err := start()
	if err == nil {
		_, err = syscall.Wait4(pid, nil, 0, nil)
	}
	return err
}
