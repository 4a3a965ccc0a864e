package prove

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// The behaviours of a worker at SIGTERM.
const (
	oneStep  = "one-step"  // http.Server.Shutdown, which drops requests
	twoPhase = "two-phase" // stop accepting, then drain, then end
)

// work is the main function of a worker. Its listener is fd 3, it writes a byte to fd 4
// when it serves, and it ends when fd 0 does, because then the test has ended.
func work(behaviour string) {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
	s := newServer()
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(l)
	}()
	ready := os.NewFile(4, "ready")
	_, _ = ready.Write([]byte{1})
	ready.Close()
	<-term
	if behaviour == twoPhase {
		l.Close()
		<-served
		s.drain()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = s.Shutdown(ctx)
}

// server counts its connections.
type server struct {
	http.Server
	draining atomic.Bool

	mu    sync.Mutex
	open  map[net.Conn]bool
	empty chan struct{} // closed when a draining server has no connection
}

func newServer() *server {
	s := &server{open: make(map[net.Conn]bool), empty: make(chan struct{})}
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprintln(w, "hello from", os.Getpid())
	})
	s.ConnState = func(c net.Conn, state http.ConnState) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if state == http.StateClosed {
			delete(s.open, c)
			s.checkLocked()
		} else {
			s.open[c] = true
		}
	}
	return s
}

func (s *server) checkLocked() {
	if s.draining.Load() && len(s.open) == 0 {
		select {
		case <-s.empty:
		default:
			close(s.empty)
		}
	}
}

// drain waits until every connection has been answered with a close.
func (s *server) drain() {
	s.draining.Store(true)
	s.mu.Lock()
	s.checkLocked()
	s.mu.Unlock()
	select {
	case <-s.empty:
	case <-time.After(5 * time.Second):
	}
}
