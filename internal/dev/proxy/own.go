package proxy

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"
)

// reserved is the prefix of paths that the proxy answers itself.
const (
	reserved   = "/__relevo/"
	clientPath = reserved + "client.js"
)

//go:embed client.js
var clientScript []byte

// own answers requests for reserved paths.
func (p *Proxy) own(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if reason := p.refusal(r); reason != "" {
		http.Error(w, "relevo: "+reason, http.StatusForbidden)
		return
	}
	routes := map[string]struct {
		method string
		serve  http.HandlerFunc
	}{
		"client.js": {http.MethodGet, p.serveClient},
		"state":     {http.MethodGet, p.serveState},
		"events":    {http.MethodGet, p.serveEvents},
		"reload":    {http.MethodPost, p.serveReload},
	}
	route, ok := routes[strings.TrimPrefix(r.URL.Path, reserved)]
	switch {
	case !ok:
		http.Error(w, "relevo: there is no such thing; see client.js, state, events, and POST reload", http.StatusNotFound)
	case r.Method != route.method:
		w.Header().Set("Allow", route.method)
		http.Error(w, "relevo: use "+route.method, http.StatusMethodNotAllowed)
	default:
		route.serve(w, r)
	}
}

// refusal refuses requests to reserved paths that come neither from this proxy's pages nor from a
// tool: a foreign site may send them (cross-site request forgery), or a foreign name may resolve to
// this address (DNS rebinding). Empty: allowed.
func (p *Proxy) refusal(r *http.Request) string {
	if !p.knows(r.Host) {
		return fmt.Sprintf("the name %q is not known to lead here; add it to the hosts of the proxy", r.Host)
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return "a page of another origin asks"
	}
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return ""
	}
	_, host, ok := strings.Cut(origins[0], "://")
	if len(origins) > 1 || !ok || !strings.EqualFold(host, r.Host) {
		return "a page of another origin asks"
	}
	return ""
}

// knows says whether a host is certainly ours: no other person could have made this name resolve to our
// address.
func (p *Proxy) knows(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if net.ParseIP(name) != nil || name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	listen, _, _ := net.SplitHostPort(p.options.Listen)
	for _, known := range append([]string{listen}, p.options.Hosts...) {
		if known != "" && strings.EqualFold(known, name) {
			return true
		}
	}
	return false
}

func (p *Proxy) serveClient(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	_, _ = w.Write(clientScript)
}

func (p *Proxy) serveState(w http.ResponseWriter, _ *http.Request) {
	now, _ := p.board.look()
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(now.json())
}

const (
	// heartbeat finds connections that have died silently.
	heartbeat = 20 * time.Second
	// stuck bounds the time for writing one event.
	stuck = 10 * time.Second
)

// serveEvents sends the state, and again after each change.
func (p *Proxy) serveEvents(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	send := func(format string, args ...any) bool {
		_ = control.SetWriteDeadline(time.Now().Add(stuck))
		_, err := fmt.Fprintf(w, format, args...)
		return err == nil && control.Flush() == nil
	}
	now, changed := p.board.look()
	for ok := send("retry: 300\ndata: %s\n\n", now.json()); ok; {
		select {
		case <-p.ending:
			return
		case <-r.Context().Done():
			return
		case <-beat.C:
			ok = send(":\n\n")
		case <-changed:
			now, changed = p.board.look()
			ok = send("data: %s\n\n", now.json())
		}
	}
}

// serveReload calls Reload for tools. The body is {"paths": ["a.css"]} or empty.
func (p *Proxy) serveReload(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Paths []string `json:"paths"`
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/json" {
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&request)
		if err != nil && !errors.Is(err, io.EOF) {
			http.Error(w, fmt.Sprintf(`relevo: cannot read the request: %v; send {"paths": ["a.css"]}`, err),
				http.StatusBadRequest)
			return
		}
	}
	p.Reload(request.Paths)
	w.WriteHeader(http.StatusNoContent)
}
