package seats_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"relevo/internal/testreq"
	"relevo/upgrader/listeners/seats"
)

// tooLong is longer than anything here takes.
const tooLong = 60 * time.Second

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// addresses are the addresses of the groups in these tests; the second one is for their clients.
var addresses = map[string][]string{
	"127.0.0.1:0": {"127.0.0.1"},
	"[::1]:0":     {"::1"},
	"[::]:0":      {"::1", "127.0.0.1"},
	"0.0.0.0:0":   {"127.0.0.1", "127.9.9.9"},
	onlyIPv6:      {"::1"},
}

const onlyIPv6 = "[::]:0 without IPv4"

// listenShared opens a common socket, blocking and outside of the runtime's poller.
func listenShared(t testing.TB, address string) *os.File {
	t.Helper()
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
				t.Error(err)
			}
		})
	}}
	lc.SetMultipathTCP(false)
	if strings.HasPrefix(address, "[") {
		needIPv6(t)
	}
	network := "tcp"
	if address == onlyIPv6 {
		network, address = "tcp6", "[::]:0"
	} else if netip.MustParseAddrPort(address).Addr().Is4() {
		network = "tcp4" // otherwise Go makes 0.0.0.0 dual-stack
	}
	l, err := lc.Listen(context.Background(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return copied(t, l.(*net.TCPListener))
}

// needIPv6 skips a test on a machine without IPv6 on its loopback.
func needIPv6(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		testreq.Missing(t, "this machine has no IPv6: "+err.Error())
	}
	l.Close()
}

func copied(t testing.TB, of syscall.Conn) *os.File {
	t.Helper()
	raw, err := of.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var file *os.File
	raw.Control(func(fd uintptr) {
		dup, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.SetNonblock(dup, false)
		file = os.NewFile(uintptr(dup), "common")
	})
	t.Cleanup(func() { file.Close() })
	return file
}

func newGroup(t testing.TB, address string) (*seats.Group, *os.File) {
	t.Helper()
	common := listenShared(t, address)
	g, err := seats.New(common, options(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g, common
}

func options(t testing.TB) seats.Options {
	return seats.Options{Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))}
}

// take makes a worker take a seat.
func take(t testing.TB, g *seats.Group, worker string, slot int) *os.File {
	t.Helper()
	file, err := g.Take(worker, slot, seats.SocketOptions{Nonblock: true})
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A worker accepts on its own copy of a seat and tells each client its name.
type server struct {
	listener net.Listener
	mu       sync.Mutex
	served   int
	accepts  sync.WaitGroup
}

func serve(t testing.TB, file *os.File, name string) *server {
	t.Helper()
	l, err := net.FileListener(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{listener: l}
	s.accepts.Go(func() {
		for {
			conn, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil { // the socket does not listen at the moment
				time.Sleep(time.Millisecond)
				continue
			}
			s.mu.Lock()
			s.served++
			s.mu.Unlock()
			go func() {
				defer conn.Close()
				io.WriteString(conn, name)
				conn.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, conn) // a close with data unread would reset the connection
			}()
		}
	})
	t.Cleanup(s.close)
	return s
}

// close ends the worker's copy of the seat; what it has not accepted stays in the queue.
func (s *server) close() {
	s.listener.Close()
	s.accepts.Wait()
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.served
}

func dial(t testing.TB, g *seats.Group, host string) net.Conn {
	t.Helper()
	to := netip.AddrPortFrom(netip.MustParseAddr(host), g.Address().Port())
	conn, err := net.DialTimeout("tcp", to.String(), tooLong)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(tooLong))
	return conn
}

// ask returns the name of the worker that served a new connection.
func ask(t testing.TB, g *seats.Group, host string) string {
	t.Helper()
	conn := dial(t, g, host)
	defer conn.Close()
	return answer(t, conn)
}

func answer(t testing.TB, conn net.Conn) string {
	t.Helper()
	name, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(name)
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); time.Sleep(time.Millisecond) {
		if time.Since(began) > tooLong {
			t.Fatalf("%s: never", what)
		}
	}
}

// Each worker that serves gets its share, and a worker that has left gets nothing.
func TestServeAndLeave(t *testing.T) {
	for address, hosts := range addresses {
		t.Run(address, func(t *testing.T) {
			g, common := newGroup(t, address)
			serve(t, common, "common")
			for slot := range 3 {
				name := fmt.Sprint("w", slot)
				serve(t, take(t, g, name, slot), name)
			}
			for _, host := range hosts {
				if got := ask(t, g, host); got != "common" {
					t.Errorf("before any worker serves, %q served", got)
				}
			}
			must(t, g.Serve("w1"))
			must(t, g.Serve("w2"))
			for _, host := range hosts {
				got := map[string]int{}
				for range 64 {
					got[ask(t, g, host)]++
				}
				if len(got) != 2 || got["w1"] == 0 || got["w2"] == 0 { // 2⁻⁶³ by chance
					t.Errorf("clients of %s were served by %v", host, got)
				}
			}
			must(t, g.Leave("w1"))
			for range 64 {
				if got := ask(t, g, hosts[0]); got != "w2" {
					t.Fatalf("%q served when only w2 was left", got)
				}
			}
			if g.Serving("w1") || !g.Serving("w2") {
				t.Error("Serving is wrong about a worker")
			}
			must(t, g.Leave("w2"))
			if got := ask(t, g, hosts[0]); got != "w2" || !g.Serving("w2") {
				t.Errorf("after the last has left, %q served", got)
			}
			must(t, g.Serve("w0"))
			if got := ask(t, g, hosts[0]); got != "w0" || g.Serving("w2") {
				t.Errorf("the last worker got a client although another one served: %q", got)
			}
		})
	}
}

// While the first seat is opened, no connection goes there.
func TestFirstSeat(t *testing.T) {
	for range 20 {
		g, common := newGroup(t, "127.0.0.1:0")
		serve(t, common, "common")
		ctx, cancel := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		for range 4 {
			clients.Go(func() {
				for ctx.Err() == nil {
					if conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", g.Address().String()); err == nil {
						conn.Close()
					}
				}
			})
		}
		take(t, g, "w0", 0)
		cancel()
		clients.Wait()
		if n := queue(t, g, "w0").Waiting; n > 0 {
			t.Fatalf("%d connections wait at a seat that no worker serves", n)
		}
	}
}
