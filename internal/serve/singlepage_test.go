package serve

import (
	"strings"
	"testing"
)

// TestSinglePage: routes get the page, files what they are, and a missing file stays missing.
func TestSinglePage(t *testing.T) {
	t.Parallel()
	outside := tree(t, map[string]string{"secret": "secret"})
	dir := tree(t, map[string]string{
		"index.html": "page", "assets/app.js": "script", "docs/index.html": "docs", "LICENSE": "license", ".env": "hidden",
		"odd/index.html/x": "", "out": "-> " + outside + "/secret",
	})
	s := newSite(t, Options{Dir: dir, SinglePage: true})
	for path, body := range map[string]string{
		"/": "page", "/index.html": "page", "/users": "page", "/users/5/edit": "page", "/users/": "page",
		"/users?x=a.b": "page",
		"/assets/":     "page", "/assets": "page", "/odd": "page", "/assets/app.js": "script", "/LICENSE": "license",
		"/LICENSE/x": "page", "/docs/": "docs", "/%00": "page", "/v1.2/users": "page",
	} {
		s.want(t, path, 200, body)
	}
	for _, path := range []string{"/assets/gone.js", "/favicon.ico", "/users/a.b", "/a.js/", "/.env", "/.git/config",
		"/out"} {
		s.want(t, path, 404, "")
	}
	if w := s.get("GET", "/docs"); w.Code != 301 {
		t.Errorf("a directory with a page of its own: %d", w.Code)
	}
	if w := s.get("POST", "/users"); w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
	for path, want := range map[string]string{"/users": "no-cache", "/": "no-cache", "/assets/app.js": ""} {
		w := s.get("HEAD", path)
		if got := w.Header().Get("Cache-Control"); got != want || w.Header().Get("ETag") == "" {
			t.Errorf("%s: Cache-Control %q, want %q, ETag %q", path, got, want, w.Header().Get("ETag"))
		}
	}
	if w := s.get("GET", "/users", "If-None-Match: "+s.get("GET", "/").Header().Get("ETag")); w.Code != 304 {
		t.Errorf("the page that the browser has: %d", w.Code)
	}
}

func TestSinglePageNeedsItsPage(t *testing.T) {
	t.Parallel()
	_, err := Handler(Options{Dir: tree(t, map[string]string{"a.txt": ""}), SinglePage: true})
	if err == nil || !strings.Contains(err.Error(), "its index.html cannot be read") {
		t.Error(err)
	}
	plain := newSite(t, Options{Dir: tree(t, map[string]string{"index.html": "page"})})
	plain.want(t, "/users", 404, "")
}
