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
	// Listen is the address for browsers; default "127.0.0.1:7331". Port 0 takes
	// a free one.
	Listen string
	// Target is where the app listens: "host:port", or "unix:/path".
	Target string
	// Log gets what is wrong with the app's answers; default: nothing is logged.
	Log *slog.Logger
	// Root is the directory that relative names in problems count from; default:
	// the working directory.
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
	// Patience is how long a request that is no document waits while nobody
	// listens at Target; default 10s. Documents wait for a second and get a page
	// that reloads itself.
	Patience time.Duration
}

const (
	defaultListen   = "127.0.0.1:7331"
	defaultEditor   = "vscode://file{path}:{line}:{column}"
	defaultPatience = 10 * time.Second
	// farewell is what requests get to end by themselves when Run ends.
	farewell = 500 * time.Millisecond
)

// Proxy serves browsers. Its methods may be called at any time, Run too.
type Proxy struct {
	options  Options
	network  string // of the app: tcp or unix
	address  string
	listener net.Listener
	board    *board
	editor   editor
	tracker  *tracker
	reverse  *httputil.ReverseProxy
	http1    *http.Transport
	http2    *http.Transport
	speaks2  atomic.Int32  // what is known of the app's HTTP/2; see speaksHTTP2
	heard    atomic.Bool   // the app has answered, or is said to be ready
	leaving  chan struct{} // closed when Run is asked to end: own streams end
}

// New binds the address for browsers. Errors name what is wrong in Options, or
// are those of listening. The listener is closed by Run.
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
		leaving: make(chan struct{}),
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

// networkOf has an IPv4 address get a socket of IPv4: net opens [::] for 0.0.0.0.
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

// URL is where a browser finds the app: http:// and the bound address, with
// 127.0.0.1 where all addresses are bound.
func (p *Proxy) URL() string { return phrase.URL(p.listener.Addr().String(), "127.0.0.1") }

// Run serves until ctx ends and returns nil when every goroutine and connection
// of the proxy is gone. Its own streams end at once; requests have half a second
// to end by themselves. An error is that of the listener. Run once.
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
	close(p.leaving)
	patience, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	_ = server.Shutdown(patience) // its error says that the rest is ended below
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
		// Large cookies are a matter between page and app.
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

// Reload makes every page reload. If all paths, the files that have changed, are
// stylesheets, pages load their styles anew and keep their state. Call it when
// the new version answers. An overlay stays until Clear.
func (p *Proxy) Reload(paths []string) {
	p.heard.Store(true)
	p.speaks2.Store(unknown) // it may be another program now
	styles := len(paths) > 0 && !slices.ContainsFunc(paths, func(name string) bool { return !isStyle(name) })
	p.board.change(func(s *state) {
		if styles {
			s.Style++
		} else {
			s.Page++
		}
	})
}

// isStyle: what is compiled to a stylesheet counts too.
func isStyle(name string) bool {
	return slices.Contains([]string{".css", ".scss", ".sass", ".less", ".styl", ".pcss"},
		strings.ToLower(path.Ext(filepath.ToSlash(name))))
}

// Fail shows what is broken over every page, those opened later too, and as a
// page of its own where the app does not answer. It replaces an earlier failure.
func (p *Proxy) Fail(f Failure) {
	view := p.editor.view(f)
	p.board.change(func(s *state) { s.Failure, s.Trouble = view, s.Trouble+1 })
}

// Clear takes the failure back.
func (p *Proxy) Clear() {
	p.board.change(func(s *state) { s.Failure = nil })
}
