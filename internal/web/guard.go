package web

import (
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// policy is the Content-Security-Policy: files of this server, and nothing written into the page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// guard decides which requests are answered.
type guard struct {
	token Token
	local bool     // it listens on a loopback address
	hosts []string // names beside the addresses, in lower case
	proxy bool     // other names were allowed: clients may be anywhere
}

// protect refuses requests that another web site has a browser make.
func (g *guard) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limitBrowser(w.Header())
		switch {
		case !g.ownName(r.Host):
			refuse(w, http.StatusMisdirectedRequest, "cannot answer for the name in this address: use an address as "+
				"relevo web printed it, or start it with --host NAME")
		case !sameSite(r):
			refuse(w, http.StatusForbidden, "cannot answer a request of another web site")
		case shown(r) != "" && !g.token.right(r):
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, http.StatusUnauthorized, "cannot accept this token: relevo web --token prints the right one")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// limitBrowser forbids a browser what the page does not need.
func limitBrowser(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// ownName says whether a Host header names this server. A name that an attacker has made point to
// this machine (DNS rebinding) does not.
func (g *guard) ownName(host string) bool {
	name := host
	if n, _, err := net.SplitHostPort(host); err == nil {
		name = n
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if name == "localhost" || slices.Contains(g.hosts, name) {
		return true
	}
	address, err := netip.ParseAddr(name)
	return err == nil && (!g.local || address.IsLoopback())
}

// sameSite says whether a request comes from this server's page, or from no page. A link elsewhere
// may lead to the page itself.
func sameSite(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		from, err := url.Parse(origin)
		if err != nil || from.Host == "" || !strings.EqualFold(from.Host, r.Host) {
			return false
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return true
	}
	return r.Method == http.MethodGet && r.URL.Path == "/" && r.Header.Get("Sec-Fetch-Mode") == "navigate" &&
		r.Header.Get("Sec-Fetch-Dest") == "document"
}

// mayLook says whether a request may see the apps. Without the token that is so on this machine
// only; what a proxy passes on comes from elsewhere.
func (g *guard) mayLook(r *http.Request) bool {
	if g.local && !g.proxy {
		passed := slices.ContainsFunc([]string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"},
			func(name string) bool { return r.Header.Get(name) != "" })
		if !passed {
			return true
		}
	}
	return g.token.right(r)
}

// looking is for what shows the apps.
func (g *guard) looking(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if g.mayLook(r) {
			next(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(w, http.StatusUnauthorized, "cannot show the apps without the token: relevo web --token prints it")
	}
}

// acting is for what changes something. The header of the token, and the type of the body, are such
// that a browser asks before it sends them elsewhere, and is not answered.
func (g *guard) acting(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		switch {
		case !g.token.right(r):
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, http.StatusUnauthorized, "cannot do that without the token: relevo web --token prints it")
		case media != "application/json":
			refuse(w, http.StatusUnsupportedMediaType, "cannot read the request: send application/json")
		default:
			next(w, r)
		}
	}
}
