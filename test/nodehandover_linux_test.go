package test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/testreq"
)

var keptRequests = flag.Int("kept-requests", 1000,
	"how many requests TestNodeHandover makes at least, for each kind of client")

// awayFromHere moves the rest of the test, and what it starts, to a network of its own. There
// 192.0.2.0/24 leads to this host although no interface has such an address: its clients count as
// remote.
func awayFromHere(t *testing.T) {
	t.Helper()
	testreq.Root(t)
	ip := testreq.Program(t, "ip")
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		testreq.Missing(t, "no namespace can be made: "+err.Error())
	}
	if err := raiseLoopback(); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(ip, "route", "add", "local", "192.0.2.0/24", "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// keptClient is a client with one connection that it never closes.
type keptClient struct {
	conn     net.Conn
	in       *bufio.Reader
	answered int
}

// keptClients connect to a port of this host from different addresses, all in networks with this
// prefix.
func keptClients(t *testing.T, n int, prefix, address string) (all []*keptClient) {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(fmt.Sprint(prefix, i+2))}, Timeout: tooLong}
		conn, err := dialer.Dial("tcp4", prefix+"1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		all = append(all, &keptClient{conn: conn, in: bufio.NewReader(conn)})
	}
	return all
}

// ask sends a request and reads its answer, which is the client's address as the app sees it. An
// answer with Connection: close is an error.
func (c *keptClient) ask(path string) error {
	c.conn.SetDeadline(time.Now().Add(tooLong))
	if _, err := io.WriteString(c.conn, "GET "+path+" HTTP/1.1\r\nHost: site\r\n\r\n"); err != nil {
		return err
	}
	return c.answer()
}

// answer reads the answer to the request.
func (c *keptClient) answer() error {
	c.conn.SetDeadline(time.Now().Add(tooLong))
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(answer.Body)
	if want := c.conn.LocalAddr().(*net.TCPAddr).IP.String(); err == nil && string(body) != want {
		err = fmt.Errorf("the app sees %q, want %q", body, want)
	}
	if err == nil && answer.Close {
		err = fmt.Errorf("the answer has Connection: close")
	}
	c.answered++
	return err
}

// keepAsking makes clients send requests without a pause. stop ends that and returns the number of
// answers; each lost connection fails the test.
func keepAsking(t *testing.T, all []*keptClient, asked *atomic.Int64) (stop func() int64) {
	var done atomic.Bool
	var running sync.WaitGroup
	for _, c := range all {
		running.Go(func() {
			for !done.Load() {
				if err := c.ask("/address"); err != nil {
					t.Errorf("%s, after %d answers: %v", c.conn.LocalAddr(), c.answered, err)
					return
				}
				asked.Add(1)
			}
		})
	}
	return sync.OnceValue(func() int64 { done.Store(true); running.Wait(); return asked.Load() })
}

const addressApp = `
const server = require('node:http').createServer((request, response) => {
  if (request.url === '/stream') return response.write('begun\n');
  setTimeout(() => response.end(request.socket.remoteAddress), 2);
});
server.keepAliveTimeout = 60000;
server.listen(0, '0.0.0.0');
`

// TestNodeHandover: when a Node worker leaves, its connections continue at another one, whether the
// client is local or remote, and the client notices nothing.
func TestNodeHandover(t *testing.T) {
	t.Parallel()
	for _, where := range []struct{ name, prefix string }{{"local", "127.0.0."}, {"remote", "192.0.2."}} {
		t.Run(where.name, func(t *testing.T) {
			if where.name == "remote" {
				takesLong(t) // and does not run in parallel, because it has a network of its own
				awayFromHere(t)
			} else {
				t.Parallel()
			}
			s := nodeSite(t, addressApp)
			old := s.settled(2)
			all := keptClients(t, 12, where.prefix, s.status().Listeners[0].Address)
			busy, idle := all[:8], all[8:]
			var asked atomic.Int64
			stop := keepAsking(t, busy, &asked)
			for rolls := 0; (rolls < 2 || asked.Load() < int64(*keptRequests)) && !t.Failed(); rolls++ {
				askOnce(t, idle) // the first requests go to both workers
				s.rolls(t)
				s.leftBy(old)
				old = s.settled(2)
			}
			askOnce(t, idle)
			n := stop()
			if c := s.status().Connections; c.HandedOver < 2*len(all) || c.Rescued > 0 || c.Cut > 0 {
				t.Errorf("connections: %v", c)
			}
			t.Logf("%d requests answered on %d connections", n, len(all))
			s.stop()
		})
	}
}

func askOnce(t *testing.T, all []*keptClient) {
	t.Helper()
	for _, c := range all {
		if err := c.ask("/address"); err != nil {
			t.Errorf("%s, after %d answers: %v", c.conn.LocalAddr(), c.answered, err)
		}
	}
}

// leftBy waits until processes have ended.
func (s *site) leftBy(pids []int) {
	s.t.Helper()
	s.await("the old workers to be gone", func() bool {
		return !slices.ContainsFunc(pids, func(pid int) bool { return syscall.Kill(pid, 0) == nil })
	})
}

// TestNodeHandoverLate: neither work of a worker at the stop signal, nor a stream on another of its
// connections that is cut with it, harms the idle clients.
func TestNodeHandoverLate(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for name, handler := range map[string]string{
		"none": "",
		"closes": "process.on('SIGTERM', () => { server.close(() => process.exit()); " +
			"setTimeout(() => process.exit(), 300); });",
		"slow": "process.on('SIGTERM', () => setTimeout(() => process.exit(), 300));",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := nodeSite(t, addressApp+handler, "--drain-timeout", "2s") // SIGKILL comes after another 2s
			old := s.settled(2)
			all := keptClients(t, 12, "127.0.0.", s.status().Listeners[0].Address)
			streams, all := all[:4], all[4:] // almost certainly at both workers
			for _, c := range streams {
				if _, err := io.WriteString(c.conn, "GET /stream HTTP/1.1\r\nHost: site\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
			}
			var asked atomic.Int64
			stop := keepAsking(t, all, &asked)
			s.rolls(t)
			s.leftBy(old)
			stop()
			askOnce(t, all)
			s.stop()
		})
	}
}

// TestNodeHandoverInSuccession: a succession in the middle of a handover loses nothing.
func TestNodeHandoverInSuccession(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for _, how := range []string{"tableflip", "exec"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := nodeSite(t, addressApp, "--upgrade", how)
			s.settled(2)
			all := keptClients(t, 12, "127.0.0.", s.status().Listeners[0].Address)
			all, idle := all[:8], all[8:]
			var asked atomic.Int64
			stop := keepAsking(t, all, &asked)
			for range 3 {
				askOnce(t, idle)
				if code, said := s.relevo("reload", "site"); code != 0 {
					t.Fatalf("reload: %d %s", code, said)
				}
				s.upgrade() // some idle connections have lost their worker, and no other one has them yet
			}
			askOnce(t, idle)
			s.settled(2)
			stop()
			s.stop()
		})
	}
}
