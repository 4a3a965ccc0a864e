package prove

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// endpoint has the address to connect to and the bytes to send. Both come from the options.
type endpoint struct {
	url     string
	network string         // "tcp" or "unix"
	host    string         // of the URL, for the resolver and TLS
	port    uint16         // tcp
	path    string         // of the Unix socket
	remote  netip.AddrPort // tcp: the one address that the load goes to
	sources []netip.Addr   // tcp: local addresses in turn; empty: the kernel's choice
	tls     *tls.Config    // nil: in clear
	head    bool           // answers have no body
	target  *url.URL       // of the requests
	request map[Connections][]byte

	// control is called with every TCP socket before it connects; tests use it to set limits.
	control func(fd uintptr)
}

func newEndpoint(o Options) (*endpoint, error) {
	e := &endpoint{url: o.URL, head: o.Method == http.MethodHead}
	u, err := e.parse(asHTTP(o))
	if err != nil {
		return nil, err
	}
	if u.Scheme == "https" {
		e.tls = &tls.Config{
			ServerName:         e.host,
			RootCAs:            o.CA,
			InsecureSkipVerify: o.Insecure,
			NextProtos:         []string{"http/1.1"},
		}
		if o.Connections == HTTP2 {
			e.tls.NextProtos = []string{http2Protocol}
		}
	}
	e.request = make(map[Connections][]byte)
	for _, mode := range o.Connections.modes() {
		if e.request[mode], err = requestOf(o, u, mode); err != nil {
			return nil, fmt.Errorf("cannot make a request for %s: %w", o.URL, err)
		}
	}
	e.target = u
	return e, nil
}

// asHTTP returns the URL of a WebSocket's handshake: http instead of ws, https instead of wss.
func asHTTP(o Options) string {
	if rest, ok := strings.CutPrefix(o.URL, "ws"); ok && o.Connections == WebSocket {
		return "http" + rest
	}
	return o.URL
}

// requestOf makes the bytes of the request, once for all clients. A WebSocket has none.
func requestOf(o Options, u *url.URL, mode Connections) ([]byte, error) {
	switch mode {
	case HTTP2:
		return streamHeader(o, u)
	case WebSocket:
		return nil, nil
	}
	return requestBytes(o, u, mode == Fresh)
}

// parse fills in where to connect and returns the URL of the requests.
func (e *endpoint) parse(raw string) (*url.URL, error) {
	wrong := func(why any) error {
		return fmt.Errorf("cannot use URL %q: %v: give http://HOST[:PORT]/PATH, https://… or unix:/SOCKET[:/PATH]", raw,
			why)
	}
	if rest, ok := strings.CutPrefix(raw, "unix:"); ok {
		path, request, _ := strings.Cut(rest, ":/")
		if path == "" {
			return nil, wrong("it names no socket")
		}
		e.network, e.path, e.host = "unix", path, "localhost"
		u, err := url.Parse("http://localhost/" + request)
		if err != nil {
			return nil, wrong(err)
		}
		return u, nil
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, wrong(err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return nil, wrong("it is neither http nor https nor unix, or names no host")
	}
	e.network, e.host, e.port = "tcp", u.Hostname(), 80
	if u.Scheme == "https" {
		e.port = 443
	}
	if p := u.Port(); p != "" {
		port, err := strconv.ParseUint(p, 10, 16)
		if err != nil || port == 0 {
			return nil, wrong("bad port")
		}
		e.port = uint16(port)
	}
	return u, nil
}

// requestBytes makes the bytes of a request of HTTP/1.1.
func requestBytes(o Options, u *url.URL, closing bool) ([]byte, error) {
	req, err := http.NewRequest(o.Method, u.String(), bytes.NewReader(o.Body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "prove")
	for name, values := range o.Headers {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	req.Close = closing
	var b bytes.Buffer
	if err := req.Write(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// addresses resolves the host. For a Unix socket it returns one address, which is not used.
func (e *endpoint) addresses(ctx context.Context) ([]netip.AddrPort, error) {
	if e.network == "unix" {
		return []netip.AddrPort{{}}, nil
	}
	if ip, err := netip.ParseAddr(e.host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(ip, e.port)}, nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", e.host)
	if err != nil {
		return nil, fmt.Errorf("cannot resolve the host of %s: %w", e.url, err)
	}
	all := make([]netip.AddrPort, len(ips))
	for i, ip := range ips {
		all[i] = netip.AddrPortFrom(ip.Unmap(), e.port)
	}
	return all, nil
}

// use sets the address of the load.
func (e *endpoint) use(remote netip.AddrPort) {
	e.remote, e.sources = remote, sourcesFor(remote.Addr())
}

// dial opens a connection, TLS handshake included. turn selects the source address. raw is the
// connection below TLS, which closes without a close_notify.
func (e *endpoint) dial(ctx context.Context, deadline time.Time, turn int) (c, raw net.Conn, err error) {
	d := net.Dialer{Deadline: deadline, KeepAlive: -1, Control: e.prepare}
	d.SetMultipathTCP(false)
	if e.network == "unix" {
		u, err := d.DialUnix(ctx, "unix", nil, &net.UnixAddr{Net: "unix", Name: e.path})
		if err != nil {
			return nil, nil, err
		}
		return u, u, nil
	}
	var source netip.AddrPort
	if len(e.sources) > 0 {
		source = netip.AddrPortFrom(e.sources[turn%len(e.sources)], 0)
	}
	t, err := d.DialTCP(ctx, "tcp", source, e.remote)
	if err != nil {
		return nil, nil, err
	}
	if e.tls == nil {
		return t, t, nil
	}
	return tls.Client(t, e.tls), t, nil
}
