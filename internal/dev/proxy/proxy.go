package proxy

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"relevo/internal/phrase"
)

// Options are the settings of a proxy.
type Options struct {
	// Listen is the address for browsers; default "127.0.0.1:7331". Port 0 means a free port.
	Listen string
	// Target is where the app listens: "host:port", or "unix:/path".
	Target string
	// Log gets errors in the app's answers; default: none are logged.
	Log *slog.Logger
	// Root is the directory that relative paths in problems start from; default: the working
	// directory.
	Root string
	// Editor is the template of links to places in files, with {path} (absolute,
	// escaped), {line} and {column}; default "vscode://file{path}:{line}:{column}".
	// For other editors: "idea://open?file={path}&line={line}",
	// "zed://file{path}:{line}:{column}", "subl://open?url=file://{path}&line={line}".
	Editor string
	// Hosts are names by which pages may reach /__relevo/, besides localhost, its
	// subdomains, IP addresses and the host of Listen. Names are checked because
	// a foreign page could make its own name lead here (DNS rebinding).
	Hosts []string
	// Patience is how long a request that is no document waits while nothing listens at Target;
	// default 10s. Documents wait for a second and get a page that reloads itself.
	Patience time.Duration

	silence silence // tests shorten it
}

const (
	defaultListen   = "127.0.0.1:7331"
	defaultEditor   = "vscode://file{path}:{line}:{column}"
	defaultPatience = 10 * time.Second
	// farewell is how long requests may continue when Run ends.
	farewell = 500 * time.Millisecond
)

// Proxy serves browsers. Its methods may be called at any time, Run too.
type Proxy struct {
	options  Options
	network  string // of the app's address: tcp or unix
	address  string
	listener net.Listener
	board    *board
	editor   editor
	tracker  *tracker
	reverse  *httputil.ReverseProxy
	http1    *http.Transport
	http2    *http.Transport
	speaks2  atomic.Int32  // whether the app speaks HTTP/2; see speaksHTTP2
	heard    atomic.Bool   // the app has answered, or was reported ready
	ending   chan struct{} // closed when Run is asked to end; it ends the proxy's own streams
}

// New binds the address for browsers. An error names what is wrong in Options, or comes from
// listening. Run closes the listener.
func New(o Options) (*Proxy, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		options: o, network: "tcp", address: o.Target,
		board:   newBoard(rand.Text()),
		editor:  editor{template: o.Editor, root: o.Root},
		tracker: newTracker(),
		ending:  make(chan struct{}),
	}
	if socket, ok := strings.CutPrefix(o.Target, "unix:"); ok {
		p.network, p.address = "unix", socket
	}
	p.http1, p.http2 = p.transport(false), p.transport(true)
	p.reverse = p.reverseProxy()
	if p.listener, err = net.Listen(networkOf(o.Listen), o.Listen); err != nil {
		return nil, fmt.Errorf("cannot listen for browsers on %s: %w; choose another address, or port 0 for a free one",
			o.Listen, err)
	}
	return p, nil
}

// networkOf chooses an IPv4 socket for an IPv4 address: net opens [::] for 0.0.0.0.
func networkOf(address string) string {
	if at, err := netip.ParseAddrPort(address); err == nil && at.Addr().Is4() {
		return "tcp4"
	}
	return "tcp"
}

func (o Options) withDefaults() (Options, error) {
	o.Listen = cmp.Or(o.Listen, defaultListen)
	o.Editor = cmp.Or(o.Editor, defaultEditor)
	o.Patience = cmp.Or(o.Patience, defaultPatience)
	o.silence = cmp.Or(o.silence, silence{start: 3 * time.Second, broken: 5 * time.Second})
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if !linkable(o.Editor) {
		return o, fmt.Errorf("cannot make links of %q: an editor's template begins with its scheme, like %s", o.Editor,
			defaultEditor)
	}
	if _, _, err := net.SplitHostPort(o.Target); err != nil && !strings.HasPrefix(o.Target, "unix:") {
		return o, fmt.Errorf("cannot proxy to %q: %w; give host:port or unix:/path", o.Target, err)
	}
	root, err := filepath.Abs(o.Root)
	if err != nil {
		return o, fmt.Errorf("cannot find the directory of source files: %w", err)
	}
	o.Root = root
	return o, nil
}

// URL is the address for a browser: http:// and the bound address, or 127.0.0.1 if it is bound to
// all addresses.
func (p *Proxy) URL() string { return phrase.URL(p.listener.Addr().String(), "127.0.0.1") }

// Run serves until ctx ends, and returns nil when every goroutine and connection of the proxy has
// ended. Its own streams end at once; requests have half a second to finish. An error comes from
// the listener. Call Run once.
func (p *Proxy) Run(ctx context.Context) error {
	base, abandon := context.WithCancel(context.Background())
	defer abandon()
	server := p.server(base)
	served := make(chan error, 1)
	go func() { served <- server.Serve(p.listener) }()
	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
		served <- nil
	}
	close(p.ending)
	patience, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	_ = server.Shutdown(patience) // an error means that requests are left; they are ended below
	abandon()
	_ = server.Close()
	<-served
	p.tracker.wait()
	p.http1.CloseIdleConnections()
	p.http2.CloseIdleConnections()
	if err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("cannot serve browsers on %s: %w", p.options.Listen, err)
	}
	return nil
}

func (p *Proxy) server(base context.Context) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:     http.HandlerFunc(p.handle),
		Protocols:   &protocols,
		BaseContext: func(net.Listener) context.Context { return base },
		ErrorLog:    slog.NewLogLogger(p.options.Log.Handler(), slog.LevelDebug),
		// Large cookies are up to page and app.
		MaxHeaderBytes: 1 << 20,
	}
}

func (p *Proxy) handle(w http.ResponseWriter, r *http.Request) {
	if !p.tracker.begin() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	defer p.tracker.end()
	if strings.HasPrefix(r.URL.Path, reserved) {
		p.own(w, r)
		return
	}
	p.forward(w, r)
}

// Reload makes every page reload. If all paths (the changed files) are stylesheets, pages load only
// their styles again and keep their state. Call it when the new version answers. A shown failure
// stays until Clear.
func (p *Proxy) Reload(paths []string) {
	p.heard.Store(true)
	p.speaks2.Store(unknown) // the new version may differ
	styles := len(paths) > 0 && !slices.ContainsFunc(paths, func(name string) bool { return !isStyle(name) })
	p.board.change(func(s *state) {
		if styles {
			s.Style++
		} else {
			s.Page++
		}
	})
}

// isStyle says whether a file is a stylesheet, or is compiled to one.
func isStyle(name string) bool {
	return slices.Contains([]string{".css", ".scss", ".sass", ".less", ".styl", ".pcss"},
		strings.ToLower(path.Ext(filepath.ToSlash(name))))
}

// Fail shows a failure over every page, those opened later too, and as a page of its own while the
// app does not answer. It replaces an earlier failure.
func (p *Proxy) Fail(f Failure) {
	view := p.editor.view(f)
	p.board.change(func(s *state) { s.Failure, s.Trouble = view, s.Trouble+1 })
}

// Clear removes the failure.
func (p *Proxy) Clear() {
	p.board.change(func(s *state) { s.Failure = nil })
}
