package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"relevo/internal/config"
	"relevo/pool"
)

// Master is what the server does for clients.
type Master interface {
	Status() (Status, error)
	// Reload reads the configuration again and begins a roll. An error means that no roll
	// was begun; its exit code says why.
	Reload(o ReloadOptions) (Wait, error)
	// Plan says what Reload would change.
	Plan() (Plan, error)
	// Rollback begins a roll to a kept release. to is the release's hash or the beginning
	// of it; "" means the last good release before the present one.
	Rollback(to string) (Wait, error)
	Releases() (Releases, error)
	// Prune removes all unused copies except the last good one.
	Prune() (Pruned, error)
	// Promote ends the probation of a roll's canary as passed.
	Promote() (pool.Canary, error)
	// Abort ends the roll that is under way. The roll reverts to the previous generation.
	Abort() (Wait, error)
	// Await waits for a roll that a previous master has begun.
	Await(generation int) (Wait, error)
	// Upgrade replaces the master. After a nil error another master has taken over, or is
	// about to.
	Upgrade() (Upgraded, error)
	// HandOver passes everything to a process of the same user that waits at a socket, as
	// the one that systemd has started for the app.
	HandOver(to string) (Upgraded, error)
	Scale(change string) (Scaled, error)
	// Recycle has the worker of a slot replaced by a new one of its generation. It does not
	// wait for that.
	Recycle(slot int) (Recycled, error)
	Stop(force bool) error
	Subscribe() (events <-chan pool.Event, cancel func(), err error)
	Send(t pool.Target, data []byte) (reached []string, err error)
	Signal(t pool.Target, sig syscall.Signal) (reached []string, err error)
	// Recent returns what has happened lately.
	Recent() ([]pool.Entry, error)
}

// Server answers on the control socket.
type Server struct {
	master   Master
	log      *slog.Logger
	mux      *http.ServeMux
	listener *net.UnixListener
	http     *http.Server
	detached chan struct{} // closed by Detach
	writes   *writes       // of events
	bodies   chan struct{} // holds one element for each large body that is being read
	patience time.Duration // how long a client may take to send a body
	accepts  sync.WaitGroup
	conns    sync.WaitGroup
}

// Listen opens the socket at path. It replaces a socket that is already there: because the
// caller holds the lock of the app, that is the socket of a master that died.
func Listen(path string, master Master, log *slog.Logger) (*Server, error) {
	if err := config.CheckSocketPath(path); err != nil {
		return nil, fmt.Errorf("cannot open the control socket %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot replace the control socket: %w", err)
	}
	listener, err := listenPrivately(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the control socket: %w", err)
	}
	return newServer(listener.(*net.UnixListener), master, log), nil
}

// TakeOver serves on the socket of the previous master, which it takes over. Clients that
// have connected meanwhile wait in the socket's queue.
func TakeOver(socket *os.File, path string, master Master, log *slog.Logger) (*Server, error) {
	defer socket.Close()
	listener, err := net.FileListener(socket)
	if err != nil {
		return nil, fmt.Errorf("cannot take over the control socket: %w", err)
	}
	local, ok := listener.(*net.UnixListener)
	if !ok {
		listener.Close()
		return nil, fmt.Errorf("cannot take over the control socket: it is a %s socket", listener.Addr().Network())
	}
	local.SetUnlinkOnClose(true)
	return newServer(local, master, log), nil
}

func newServer(listener *net.UnixListener, master Master, log *slog.Logger) *Server {
	refuseDescriptors(listener)
	s := &Server{
		master: master, log: log, mux: http.NewServeMux(), listener: listener, detached: make(chan struct{}),
		writes: newWrites(), bodies: make(chan struct{}, largeBodies), patience: bodyPatience,
	}
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ConnContext:       rememberPeer,
		ConnState:         s.count,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return s
}

// Handle adds a call, before Serve: what the server's Master does not know of.
func (s *Server) Handle(pattern string, handler http.Handler) { s.mux.Handle(pattern, handler) }

// File returns a copy of the socket, for another master.
func (s *Server) File() (*os.File, error) { return s.listener.File() }

// detachPatience is how long requests may take to be answered at Detach. They wait for nothing, but
// on a busy machine the processor comes late.
const detachPatience = 10 * time.Second

// Detach ends the server of this master, and keeps the socket open for another one. It answers
// the requests that have been accepted. It does not use http.Server.Shutdown, which may drop a
// request that has just been read.
func (s *Server) Detach() error {
	s.listener.SetUnlinkOnClose(false)
	close(s.detached)
	err := s.listener.Close()
	s.accepts.Wait() // until the last accepted connection is counted in s.conns
	answered := make(chan struct{})
	go func() { s.conns.Wait(); close(answered) }()
	select {
	case <-answered:
	case <-time.After(detachPatience):
	}
	return errors.Join(err, s.http.Close())
}

// endedByDetach says whether Serve has ended because of Detach.
func (s *Server) endedByDetach(err error) bool {
	select {
	case <-s.detached:
		return errors.Is(err, net.ErrClosed)
	default:
		return false
	}
}

// count counts the open connections.
func (s *Server) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.conns.Done()
	}
}

// Serve answers until Close.
func (s *Server) Serve() error {
	s.accepts.Add(1)
	defer s.accepts.Done()
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) && !s.endedByDetach(err) {
		return fmt.Errorf("cannot serve the control socket: %w", err)
	}
	return nil
}

// Close gives requests a moment to finish, and removes the socket.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	defer s.listener.Close() // s.http does not know it before Serve
	if s.http.Shutdown(ctx) == nil {
		return nil
	}
	return s.http.Close()
}

func (s *Server) handler() http.Handler {
	mux := s.mux
	mux.HandleFunc("GET /v1/status", s.status)
	mux.HandleFunc("POST /v1/reload", s.reload)
	mux.HandleFunc("GET /v1/plan", s.plan)
	mux.HandleFunc("POST /v1/rollback", s.rollback)
	mux.HandleFunc("POST /v1/promote", s.promote)
	mux.HandleFunc("POST /v1/abort", s.abort)
	mux.HandleFunc("GET /v1/releases", s.releases)
	mux.HandleFunc("POST /v1/prune", s.prune)
	mux.HandleFunc("POST /v1/wait", s.wait)
	mux.HandleFunc("POST /v1/upgrade", s.upgrade)
	mux.HandleFunc("POST /v1/handover", s.handOver)
	mux.HandleFunc("POST /v1/scale", s.scale)
	mux.HandleFunc("POST /v1/recycle", s.recycle)
	mux.HandleFunc("POST /v1/stop", s.stop)
	mux.HandleFunc("GET /v1/recent", s.recent)
	mux.HandleFunc("GET /v1/events", s.events)
	mux.HandleFunc("POST /v1/send", s.send)
	mux.HandleFunc("POST /v1/signal", s.signal)
	mux.HandleFunc("/", noSuchCall)
	return s.permitted(mux)
}

func noSuchCall(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	json.NewEncoder(w).Encode(&Error{
		Message: fmt.Sprintf("cannot %s %s: no such call; the package comment of control lists them", r.Method, r.URL.Path),
		Exit:    ExitUsage,
	})
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	status, err := s.master.Status()
	answer(w, status, err)
}

func (s *Server) recent(w http.ResponseWriter, _ *http.Request) {
	entries, err := s.master.Recent()
	answer(w, entries, err)
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	var request reloadRequest
	if !s.read(w, r, &request) {
		return
	}
	wait, err := s.master.Reload(request.ReloadOptions)
	s.answerRoll(w, r, request.Wait, wait, err)
}

func (s *Server) rollback(w http.ResponseWriter, r *http.Request) {
	var request rollbackRequest
	if !s.read(w, r, &request) {
		return
	}
	wait, err := s.master.Rollback(request.To)
	s.answerRoll(w, r, request.Wait, wait, err)
}

func (s *Server) promote(w http.ResponseWriter, _ *http.Request) {
	canary, err := s.master.Promote()
	answer(w, canary, err)
}

func (s *Server) abort(w http.ResponseWriter, r *http.Request) {
	wait, err := s.master.Abort()
	s.answerRoll(w, r, nil, wait, err)
}

// ErrLeft is the cause with which a request's context ends if this master leaves its socket
// to another one.
var ErrLeft = errors.New("control: another master has taken over")

// present returns a context that ends with the request, or when this master leaves.
func (s *Server) present(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-s.detached:
			cancel(ErrLeft)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// answerRoll waits for the end of a roll, unless the client has asked not to wait. The log
// and `relevo status` also show it.
func (s *Server) answerRoll(w http.ResponseWriter, r *http.Request, wanted *bool, wait Wait, err error) {
	switch {
	case err != nil:
		answer(w, nil, err)
	case wanted == nil || *wanted:
		ctx, cancel := s.present(r.Context())
		defer cancel()
		result, err := wait(ctx)
		answer(w, result, err)
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

func (s *Server) wait(w http.ResponseWriter, r *http.Request) {
	var request waitRequest
	if !s.read(w, r, &request) {
		return
	}
	wait, err := s.master.Await(request.Generation)
	s.answerRoll(w, r, nil, wait, err)
}

func (s *Server) upgrade(w http.ResponseWriter, _ *http.Request) {
	upgraded, err := s.master.Upgrade()
	answer(w, upgraded, err)
}

func (s *Server) handOver(w http.ResponseWriter, r *http.Request) {
	var request handOverRequest
	if !s.read(w, r, &request) {
		return
	}
	upgraded, err := s.master.HandOver(request.To)
	answer(w, upgraded, err)
}

func (s *Server) scale(w http.ResponseWriter, r *http.Request) {
	var request scaleRequest
	if !s.read(w, r, &request) {
		return
	}
	scaled, err := s.master.Scale(strings.Trim(string(request.Workers), `"`))
	answer(w, scaled, err)
}

func (s *Server) stop(w http.ResponseWriter, r *http.Request) {
	var request stopRequest
	if !s.read(w, r, &request) {
		return
	}
	if err := s.master.Stop(request.Force); err != nil {
		answer(w, nil, err)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func (s *Server) send(w http.ResponseWriter, r *http.Request) {
	var request sendRequest
	if !s.read(w, r, &request) {
		return
	}
	if len(request.Data) == 0 {
		answer(w, nil, &Error{Message: `cannot send nothing: "data" is missing`, Exit: ExitUsage})
		return
	}
	reached, err := s.master.Send(pool.Target{ID: request.ID, Slot: request.Slot}, request.Data)
	answer(w, Reached{reached}, err)
}

func (s *Server) signal(w http.ResponseWriter, r *http.Request) {
	var request signalRequest
	if !s.read(w, r, &request) {
		return
	}
	sig, err := config.ParseSignal(request.Signal)
	if err != nil {
		answer(w, nil, WithExit(err, ExitUsage))
		return
	}
	reached, err := s.master.Signal(pool.Target{ID: request.ID, Slot: request.Slot}, sig)
	answer(w, Reached{reached}, err)
}

func answer(w http.ResponseWriter, body any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		switch {
		case errors.Is(err, pool.ErrHandedOver):
			err = HandedOver(0)
		case errors.Is(err, pool.ErrNotRunning):
			err = WithExit(errors.New("cannot do that: the pool is stopping"), ExitBusy)
		}
		failure := &Error{Message: err.Error(), Exit: ExitCode(err)}
		if coded := new(Error); errors.As(err, &coded) {
			failure.HandedOver = coded.HandedOver
		}
		w.WriteHeader(httpStatus(failure.Exit))
		body = failure
	}
	json.NewEncoder(w).Encode(body)
}

func httpStatus(exit int) int {
	switch exit {
	case ExitUsage:
		return http.StatusBadRequest
	case ExitNotPermitted:
		return http.StatusForbidden
	case ExitBusy:
		return http.StatusServiceUnavailable
	case ExitConfig, ExitRollFailed:
		return http.StatusUnprocessableEntity
	}
	return http.StatusInternalServerError
}
