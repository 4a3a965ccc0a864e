package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	defaultDrain     = 30 * time.Second
	defaultIdleGrace = 5 * time.Second
)

// ErrDeadline is returned by Serve when the drain deadline came before the last
// request had ended. What was left has been closed.
var ErrDeadline = errors.New("worker: drain deadline exceeded")

// ErrForced is returned by Serve when a second signal cut the drain short.
var ErrForced = errors.New("worker: drain forced to an end")

// Server serves an [http.Server] and drains it without loss. Only the field HTTP
// is required.
type Server struct {
	// HTTP is the server. Serve takes it over: it wraps Handler, ConnState,
	// ConnContext and BaseContext (yours are called as ever, and see the
	// connections as they were accepted), and the server ends shut down. With
	// certificates in its TLSConfig it speaks TLS; HTTP/2 is as in net/http.
	// HTTP.Shutdown and HTTP.Close must not be called while Serve runs.
	HTTP *http.Server

	// Drain is how long a drain may take. Shortly before its end (a tenth of it,
	// at most two seconds) the contexts of the requests left are cancelled and
	// hijacked connections are closed; at its end everything is. Where the master
	// sends a deadline, the shorter one counts. Default: the master's, else 30s.
	Drain time.Duration

	// IdleGrace is how long a connection may stay without a request, counted from
	// the beginning of the drain or from its last request, before it is closed.
	// Default 5s.
	IdleGrace time.Duration

	// KeepReady leaves it to the program to call Ready, when it has more to
	// prepare than this server. Default: Ready is said as soon as accepting begins.
	KeepReady bool

	proc *proc // of tests; nil is the process's own
}

// Serve listens at what HTTP.Addr means (see [Listen]; the default is ":http",
// with TLS ":https") and serves until ctx ends, SIGTERM or SIGINT comes, or the
// master asks to drain; then it drains. It returns nil when all that was accepted
// has been finished, and the program should exit. A second signal ends the drain
// at once.
func (s *Server) Serve(ctx context.Context) error {
	addr := s.HTTP.Addr
	if addr == "" {
		addr = ":http"
		if hasCertificate(s.HTTP) {
			addr = ":https"
		}
	}
	ln, err := s.process().listen("tcp", addr)
	if err != nil {
		return err
	}
	return s.ServeListener(ctx, ln)
}

// ServeListener is Serve for one or more given listeners, which it closes. They
// should be plain, with TLS in HTTP.TLSConfig. Of a listener that returns
// *tls.Conn, net/http alone sees the connections, and hijacked ones are not waited
// for.
func (s *Server) ServeListener(ctx context.Context, listeners ...net.Listener) error {
	if len(listeners) == 0 {
		return errors.New("cannot serve without a listener")
	}
	r := newRun(s, listeners)
	signals := make(chan os.Signal, 4) // room for a burst, so that each signal counts
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	r.proc.enter(r)
	err, signalled := r.serve(ctx, signals)
	err = errors.Join(err, r.drain(signals, signalled))
	r.proc.leave(r, err == nil)
	return err
}

func (s *Server) process() *proc {
	if s.proc != nil {
		return s.proc
	}
	return process()
}

// run is one Serve call.
type run struct {
	*Server
	proc      *proc
	conns     *conns
	listeners []*listener
	served    chan error   // one value for each http.Server.Serve that returned
	running   int          // of those, how many have not been received
	starting  net.Listener // the one that start is about to serve, as the program passed it
	goAway    bool         // HTTP/2 connections get a GOAWAY of ours
	requests  context.Context
	cancel    context.CancelFunc // of all requests

	shutDownBegan chan struct{} // closed when http.Server.Shutdown has called its hooks
}

func newRun(s *Server, listeners []net.Listener) *run {
	r := &run{Server: s, proc: s.process(), conns: newConns(), served: make(chan error, len(listeners)),
		shutDownBegan: make(chan struct{})}
	r.requests, r.cancel = context.WithCancel(context.Background())
	for _, ln := range listeners {
		r.listeners = append(r.listeners, newListener(ln, r.conns, r.proc.managed))
	}
	r.wire()
	return r
}

// serve returns when it is time to drain: with the error of a listener, or nil,
// and whether a signal was the reason.
func (r *run) serve(ctx context.Context, signals <-chan os.Signal) (err error, signalled bool) {
	// The master may ask for the drain although nothing has opened the channel so far.
	_, _ = r.proc.open() // Ready reports a failure
	for _, ln := range r.listeners {
		if err := r.start(ln); err != nil {
			return err, false
		}
	}
	if !r.KeepReady {
		if err := r.proc.ready(); err != nil {
			r.logf("worker: %v", err) // the listener is there; clients matter more than the report
		}
	}
	select {
	case err := <-r.served:
		r.running--
		return fmt.Errorf("cannot serve: %w", err), false
	case <-signals:
		return nil, true
	case <-ctx.Done():
	case <-r.proc.asked:
	}
	return nil, false
}

// start serves ln and returns when its accept loop runs. Listeners start one
// after the other, because the first one completes the server's settings.
func (r *run) start(ln *listener) error {
	r.running++
	r.starting = ln.Listener
	go func() {
		if hasCertificate(r.HTTP) {
			r.served <- r.HTTP.ServeTLS(ln, "", "")
		} else {
			r.served <- r.HTTP.Serve(ln)
		}
	}()
	select {
	case <-ln.accepting:
		return nil
	case err := <-r.served:
		r.running--
		return fmt.Errorf("cannot serve on %s: %w", ln.Addr(), err)
	}
}

func hasCertificate(srv *http.Server) bool {
	c := srv.TLSConfig
	return c != nil && (len(c.Certificates) > 0 || c.GetCertificate != nil || c.GetConfigForClient != nil)
}

func (r *run) logf(format string, args ...any) {
	logTo(r.HTTP.ErrorLog, format, args...)
}
