package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"relevo/internal/apps"
	"relevo/internal/control"
	"relevo/internal/machineview"
	"relevo/internal/metrics"
	"relevo/internal/phrase"
)

// DefaultAddress is where the page is, for this machine alone.
const DefaultAddress = "127.0.0.1:9615"

// Options are what a Server uses.
type Options struct {
	// Names lists the apps, Ask asks the master of one, and Connect returns a client of it.
	Names   func() ([]string, error)
	Ask     func(ctx context.Context, name string) apps.App
	Connect func(ctx context.Context, name string) (*control.Client, error)
	Token   Token
	// Address is where it listens; default DefaultAddress.
	Address string
	// Hosts are names under which it is reached beside its address, as through a proxy.
	Hosts []string
	Log   *slog.Logger // default: none
}

// Server shows the apps of this machine to browsers.
type Server struct {
	o        Options
	listener net.Listener
	guard    *guard
	masters  *machineview.Masters
	reader   metrics.Reader // for /metrics
	hub      *hub
	page     *page
	streams  chan struct{} // has an element for each stream
	running  sync.WaitGroup
	ctx      context.Context
	end      context.CancelFunc
}

// Listen opens the address. Clients are answered by Run.
func Listen(o Options) (*Server, error) {
	if o.Address == "" {
		o.Address = DefaultAddress
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	files, err := newPage()
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(o.Address)
	if err != nil {
		return nil, &control.Error{Exit: control.ExitUsage,
			Message: fmt.Sprintf("cannot listen on %q: write HOST:PORT, such as %s (flag --listen)", o.Address,
				DefaultAddress)}
	}
	listener, err := net.Listen("tcp", o.Address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("cannot listen on %s: the port is taken, perhaps by another relevo web; choose another "+
			"one with --listen", o.Address)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %s: %w; choose another address with --listen", o.Address, err)
	}
	ctx, end := context.WithCancel(context.Background())
	s := &Server{o: o, listener: listener, page: files, streams: make(chan struct{}, maxStreams), ctx: ctx, end: end}
	s.guard = newGuard(o, host, listener.Addr())
	s.masters = machineview.AskMasters(ctx, o.Names, o.Ask)
	s.hub = &hub{masters: s.masters, ctx: ctx}
	return s, nil
}

func newGuard(o Options, host string, address net.Addr) *guard {
	g := &guard{token: o.Token, proxy: len(o.Hosts) > 0}
	if at, err := netip.ParseAddrPort(address.String()); err == nil {
		g.local = at.Addr().Unmap().IsLoopback()
	}
	for _, name := range append([]string{host}, o.Hosts...) {
		if name != "" {
			g.hosts = append(g.hosts, strings.ToLower(strings.TrimSuffix(name, ".")))
		}
	}
	return g
}

// Address is where it listens: as it was asked for, with the port that was chosen instead of 0.
func (s *Server) Address() string {
	host, port, err := net.SplitHostPort(s.o.Address)
	if got, ok := s.listener.Addr().(*net.TCPAddr); err == nil && ok && port == "0" {
		return net.JoinHostPort(host, strconv.Itoa(got.Port))
	}
	return s.o.Address
}

// URL is where a browser finds the page.
func (s *Server) URL() string { return URL(s.listener.Addr().String()) }

// URL is where a browser finds the page that listens on an address.
func URL(address string) string { return phrase.URL(address, "127.0.0.1") + "/" }

// NeedsToken says whether one has to have the token even to look.
func (s *Server) NeedsToken() bool { return !s.guard.local || s.guard.proxy }

// Run answers until ctx ends. Pages connect again when there is another server.
func (s *Server) Run(ctx context.Context) error {
	server := &http.Server{
		Handler:           s.guard.protect(s.routes()),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		ErrorLog:          slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(s.listener) }()
	var err error
	select {
	case <-ctx.Done():
	case err = <-ended:
	}
	s.end() // streams end, and what they ask
	patient, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if server.Shutdown(patient) != nil {
		server.Close()
	}
	s.running.Wait()
	s.hub.running.Wait()
	s.masters.Wait()
	if err != nil {
		return fmt.Errorf("cannot serve the page: %w", err)
	}
	return nil
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page.index)
	mux.HandleFunc("GET /page/{file}", s.page.file)
	mux.HandleFunc("GET /v1/stream", s.guard.looking(s.stream))
	mux.HandleFunc("GET /v1/apps", s.guard.looking(s.list))
	mux.HandleFunc("POST /v1/apps/{name}/{action}", s.guard.acting(s.act))
	mux.HandleFunc("GET /metrics", s.guard.looking(s.metrics))
	mux.HandleFunc("GET /livez", live)
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, "cannot find this: there are /, /v1/apps, /v1/stream, /metrics, /livez and /readyz")
	})
	return mux
}
