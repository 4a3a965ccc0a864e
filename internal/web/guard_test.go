package web

import (
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
)

// TestRefused: what other web sites, other users and other machines may have a browser ask.
func TestRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	m, _ := s.master("web", 2)
	const json, roll = "Content-Type: application/json", "/v1/apps/web/roll"
	token, own := "Relevo-Token: "+s.token, "Origin: "+s.url
	for _, c := range []struct {
		what, method, path string
		headers            []string
		code               int
	}{
		{"a look", "GET", "/v1/apps", nil, 200},
		{"a look of the own page", "GET", "/v1/apps", []string{own, "Sec-Fetch-Site: same-origin"}, 200},
		{"localhost, through a tunnel", "GET", "/v1/apps", []string{"Host: localhost:8000"}, 200},
		{"IPv6", "GET", "/v1/apps", []string{"Host: [::1]:9615"}, 200},
		{"a name of an attacker that points here", "GET", "/v1/apps", []string{"Host: evil.example:9615"}, 421},
		{"such a name, for the page", "GET", "/", []string{"Host: localhost.evil.example"}, 421},
		{"the address of another machine", "GET", "/v1/apps", []string{"Host: 192.0.2.1"}, 421},
		{"another origin looks", "GET", "/v1/apps", []string{"Origin: http://evil.example"}, 403},
		{"an origin without a name looks", "GET", "/v1/apps", []string{"Origin: null"}, 403},
		{"another site looks", "GET", "/v1/stream", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"another port of this machine looks", "GET", "/metrics", []string{"Sec-Fetch-Site: same-site"}, 403},
		{"a link leads to the page", "GET", "/", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate",
			"Sec-Fetch-Dest: document"}, 200},
		{"a frame shows the page", "GET", "/", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate",
			"Sec-Fetch-Dest: iframe"}, 403},
		{"a link leads to the data", "GET", "/v1/apps", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate",
			"Sec-Fetch-Dest: document"}, 403},
		{"a proxy looks for others", "GET", "/v1/apps", []string{"X-Forwarded-For: 192.0.2.1"}, 401},
		{"a proxy streams for others", "GET", "/v1/stream", []string{"Forwarded: for=192.0.2.1"}, 401},
		{"a proxy scrapes for others", "GET", "/metrics", []string{"Via: 1.1 proxy"}, 401},
		{"a proxy with the token", "GET", "/v1/apps", []string{"X-Forwarded-For: 192.0.2.1", token}, 200},
		{"a wrong token looks", "GET", "/v1/apps", []string{"Relevo-Token: " + strings.Repeat("x", 43)}, 401},
		{"no token acts", "POST", roll, []string{json}, 401},
		{"an empty token acts", "POST", roll, []string{json, "Relevo-Token: "}, 401},
		{"a wrong token acts", "POST", roll, []string{json, "Relevo-Token: " + s.token[1:]}, 401},
		{"a token in a cookie acts", "POST", roll, []string{json, "Cookie: relevo-token=" + s.token}, 401},
		{"a token in the address acts", "POST", roll + "?token=" + s.token, []string{json}, 401},
		{"a form acts", "POST", roll, []string{token, "Content-Type: text/plain"}, 415},
		{"another origin acts", "POST", roll, []string{token, json, "Origin: http://evil.example"}, 403},
		{"another scheme and port act", "POST", roll, []string{token, json, "Origin: http://127.0.0.1:1"}, 403},
		{"another site acts", "POST", roll, []string{token, json, "Sec-Fetch-Site: cross-site"}, 403},
		{"another name acts", "POST", roll, []string{token, json, "Host: evil.example"}, 421},
		{"a look acts", "GET", roll, []string{token, json}, 404},
		{"another site asks whether it may act", "OPTIONS", roll, []string{"Origin: http://evil.example"}, 403},
		{"nothing is there", "GET", "/etc/passwd", nil, 404},
		{"no file of the page", "GET", "/page/page.go", nil, 404},
	} {
		code, text, h := s.request(c.method, c.path, "{}", c.headers...)
		if code != c.code {
			t.Errorf("%s: %d, want %d: %s", c.what, code, c.code, text)
		}
		checkHeaders(t, c.what, h)
	}
	if asked := m.wishes(); asked != "" {
		t.Errorf("what was refused was done: %s", asked)
	}
	for _, header := range []string{token, "Authorization: Bearer " + s.token} {
		if code, text, _ := s.request("POST", roll, "{}", header, json, own); code != 200 {
			t.Errorf("with the token: %d %s", code, text)
		}
	}
	if asked := m.wishes(); asked != "roll, roll" {
		t.Errorf("with the token was done: %s", asked)
	}
}

// checkHeaders: every answer has them, refusals too.
func checkHeaders(t *testing.T, what string, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
		"Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
		"Access-Control-Allow-Origin": "", "Set-Cookie": "", "Cache-Control": "no-store",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: header %s is %q, want %q", what, name, got, want)
		}
	}
	policy := h.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';",
		"frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("%s: the policy %q lacks %s", what, policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("%s: the policy is %q", what, policy)
	}
}

// TestMayLook: who reaches an address, and by which name, decides who needs the token to look.
func TestMayLook(t *testing.T) {
	t.Parallel()
	token := TokenIn(t.TempDir())
	if _, err := token.Make(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		listen, address string
		hosts           []string
		look            bool
		answers         map[string]bool // by the name in the Host header
	}{
		{"127.0.0.1", "127.0.0.1:9615", nil, true, map[string]bool{"127.0.0.1:9615": true, "127.0.0.2": true,
			"LOCALHOST.": true, "10.0.0.1": false, "web.example": false, "": false}},
		{"::1", "[::1]:9615", nil, true, map[string]bool{"[::1]:9615": true, "[2001:db8::1]:9615": false}},
		{"0.0.0.0", "0.0.0.0:9615", nil, false, map[string]bool{"10.0.0.1:9615": true, "web.example": false}},
		{"", "[::]:9615", nil, false, map[string]bool{"10.0.0.1:9615": true, "web.example": false, "": false}},
		{"box.example", "10.0.0.1:9615", nil, false, map[string]bool{"box.example:9615": true, "web.example": false}},
		{"127.0.0.1", "127.0.0.1:9615", []string{"Web.example"}, false, map[string]bool{"web.example": true,
			"WEB.example:443": true, "x.web.example": false}},
	} {
		at, err := netip.ParseAddrPort(c.address)
		if err != nil {
			t.Fatal(err)
		}
		g := newGuard(Options{Token: token, Hosts: c.hosts}, c.listen, addrOf(at))
		r, _ := http.NewRequest("GET", "/v1/apps", nil)
		if got := g.mayLook(r); got != c.look {
			t.Errorf("%s with %v: without the token one may look: %v, want %v", c.address, c.hosts, got, c.look)
		}
		for name, want := range c.answers {
			if got := g.ownName(name); got != want {
				t.Errorf("%s with %v answers for %q: %v, want %v", c.address, c.hosts, name, got, want)
			}
		}
	}
}

// addrOf is a net.Addr that is not opened.
type addrOf netip.AddrPort

func (addrOf) Network() string  { return "tcp" }
func (a addrOf) String() string { return netip.AddrPort(a).String() }

// TestToken: the file is the user's alone, is made once, and a new one ends the old.
func TestToken(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	path := s.o.Token.path
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the token's file: %v %v", info, err)
	}
	if again, err := s.o.Token.Make(); err != nil || again != s.token || len(again) < 43 {
		t.Errorf("made again: %q %v, before %q", again, err, s.token)
	}
	with := "Relevo-Token: " + s.token
	if code, text, _ := s.request("GET", "/v1/apps", "", with); code != 200 {
		t.Errorf("with the token: %d %s", code, text)
	}
	os.Remove(path)
	if code, _, _ := s.request("GET", "/v1/apps", "", with); code != 401 {
		t.Errorf("without the file: %d, want 401", code)
	}
	if next, err := s.o.Token.Make(); err != nil || next == s.token {
		t.Errorf("the next token: %q %v", next, err)
	}
	if code, _, _ := s.request("GET", "/v1/apps", "", with); code != 401 {
		t.Errorf("with the token before: %d, want 401", code)
	}
	for what, spoil := range map[string]func() error{
		"that others can read": func() error { return os.Chmod(path, 0o644) },
		"that is empty":        func() error { return os.WriteFile(path, nil, 0o600) },
		"that is a link": func() error {
			os.Rename(path, path+"2")
			return os.Symlink(path+"2", path)
		},
	} {
		os.Remove(path)
		if _, err := s.o.Token.Make(); err != nil {
			t.Fatal(err)
		}
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if token, err := s.o.Token.Make(); err == nil || !strings.Contains(err.Error(), "remove the file") {
			t.Errorf("a token %s: %q %v", what, token, err)
		}
	}
}
