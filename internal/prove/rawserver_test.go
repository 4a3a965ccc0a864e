package prove

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// rawServer writes its answers by hand, so that it can break the rules of HTTP.
type rawServer struct {
	net.Listener
	requests atomic.Int64 // that arrived, on all connections
	done     chan struct{}

	mu   sync.Mutex
	open map[net.Conn]bool
	wg   sync.WaitGroup
}

// reply acts on the n-th request of its server, counted from 1. false closes the
// connection.
type reply func(s *rawServer, c net.Conn, n int64) bool

const plain = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func send(c net.Conn, text string) bool {
	_, err := io.WriteString(c, text)
	return err == nil
}

// newRawServer answers the first request well, so that a run begins, and every
// other with then.
func newRawServer(t *testing.T, network string, then reply) *rawServer {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "app.sock")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	s := &rawServer{Listener: l, done: make(chan struct{}), open: make(map[net.Conn]bool)}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.serve(c, then) })
		}
	})
	t.Cleanup(s.end)
	return s
}

func (s *rawServer) serve(c net.Conn, then reply) {
	defer c.Close()
	s.mu.Lock()
	s.open[c] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, c)
	}()
	br := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		n := s.requests.Add(1)
		if n == 1 {
			_, _ = io.Copy(io.Discard, r.Body)
			if !send(c, plain) {
				return
			}
		} else if !then(s, c, n) {
			return
		}
	}
}

func (s *rawServer) end() {
	s.Close()
	close(s.done)
	s.mu.Lock()
	for c := range s.open {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

func (s *rawServer) url() string {
	if a, ok := s.Addr().(*net.UnixAddr); ok {
		return "unix:" + a.Name + ":/path"
	}
	return "http://" + s.Addr().String() + "/path"
}
