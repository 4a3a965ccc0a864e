package serve

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tree makes files below a new directory: a name that ends with a slash is a
// directory, a content that begins with "-> " a symbolic link.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		full := filepath.Join(dir, name)
		parent := filepath.Dir(full)
		if strings.HasSuffix(name, "/") {
			parent = full
		}
		if err := os.MkdirAll(parent, 0o755); err != nil {
			t.Fatal(err)
		}
		if parent == full {
			continue
		}
		target, link := strings.CutPrefix(content, "-> ")
		var err error
		if link {
			err = os.Symlink(target, full)
		} else {
			err = os.WriteFile(full, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !link { // old enough for a strong ETag
			os.Chtimes(full, time.Time{}, time.Unix(1_700_000_000, 0))
		}
	}
	return dir
}

// site is a handler under test and its log.
type site struct {
	http.Handler
	log *bytes.Buffer
}

func newSite(t *testing.T, o Options) *site {
	t.Helper()
	s := &site{log: &bytes.Buffer{}}
	o.Log = slog.New(slog.NewTextHandler(s.log, nil))
	h, err := Handler(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Handler = h
	return s
}

// get asks for a path as it stands, without what a client would tidy up.
func (s *site) get(method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", nil)
	u, err := url.ParseRequestURI(path)
	if err != nil {
		panic(err)
	}
	r.URL, r.RequestURI = u, path
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func (s *site) want(t *testing.T, path string, status int, body string) {
	t.Helper()
	w := s.get("GET", path)
	if w.Code != status || body != "" && w.Body.String() != body {
		t.Errorf("GET %s: %d %.60q, want %d %q", path, w.Code, w.Body, status, body)
	}
	if got := w.Header().Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("GET %s: X-Content-Type-Options %q", path, got)
	}
}

func TestFiles(t *testing.T) {
	outside := tree(t, map[string]string{"secret": "secret", "index.html": "secret"})
	dir := tree(t, map[string]string{
		"index.html":               "home",
		"a.txt":                    "text",
		"sub/b.txt":                "below",
		"page/index.html":          "page",
		"sp ace/ü%41.txt":          "odd",
		`back\slash`:               "back",
		"con:x/y":                  "colon",
		".env":                     "hidden",
		".git/config":              "hidden",
		"sub/.git/config":          "hidden",
		".well-known/acme/token":   "acme",
		".well-known/.env":         "hidden",
		".well-knownx":             "hidden",
		"sub/.well-known/x":        "hidden",
		"..data/f":                 "mounted",
		"cfg":                      "-> ..data/f",
		"in":                       "-> sub/b.txt",
		"dirlink":                  "-> sub",
		"updown":                   "-> sub/../a.txt",
		"out":                      "-> " + outside + "/secret",
		"outrel":                   "-> ../" + filepath.Base(outside) + "/secret",
		"outdir":                   "-> " + outside,
		"abs":                      "-> /etc/passwd",
		"up":                       "-> ..",
		"dangling":                 "-> nowhere",
		"loop":                     "-> loop",
		"deep/index.html/file":     "an index.html that is a directory",
		"badindex/index.html":      "-> /etc/passwd",
		"badindex/f":               "f",
		"index.html.d/file":        "x",
		strings.Repeat("n", 255):   "long",
		"sub/deeper/still/file.js": "js",
	})
	s := newSite(t, Options{Dir: dir})
	for path, body := range map[string]string{
		"/": "home", "/index.html": "home", "/a.txt": "text", "/sub/b.txt": "below", "/page/": "page",
		"/sp%20ace/%C3%BC%2541.txt": "odd", "/back%5Cslash": "back", "/con:x/y": "colon",
		"/.well-known/acme/token": "acme", "/cfg": "mounted", "/in": "below", "/dirlink/b.txt": "below", "/updown": "text",
		"//a.txt": "text", "/sub//b.txt": "below", "/./a.txt": "text", "/sub/../a.txt": "text", "/../a.txt": "text",
		"/..%2f..%2fa.txt": "text", "/%2e%2e/a.txt": "text", "/sub/%2e%2e/a.txt": "text", "/a.txt?x=../../etc": "text",
		"/page/.": "page", "/page/x/..": "page", "/..": "home", "/" + strings.Repeat("n", 255): "long",
	} {
		s.want(t, path, 200, body)
	}
	for _, path := range []string{
		"/missing", "/sub/missing/x", "/a.txt/", "/a.txt/x", "/a.txt%00", "/a.txt%00.html", "/%00", "/sub%5Cb.txt",
		"/..%5Ca.txt",
		"/.env", "/.git/", "/.git/config", "/sub/.git/config", "/%2egit/config", "/sub/../.git/config", "/.well-known/.env",
		"/.well-knownx", "/sub/.well-known/x", "/..data/f", "/...", "/.git", "//.env", "/.%2fenv",
		"/out", "/outrel", "/outdir/secret", "/outdir", "/outdir/", "/abs", "/up", "/up/", "/up/x", "/dangling", "/loop",
		"/../../../../etc/passwd", "/..%2f..%2f..%2fetc/passwd", "/%2fetc/passwd", "//etc/passwd",
		"/" + strings.Repeat("n", 256), "/" + strings.Repeat("d/", 3000),
	} {
		s.want(t, path, 404, "")
	}
	for path, to := range map[string]string{
		"/sub": "./sub/", "/page?q=1": "./page/?q=1", "/con:x": "./con:x/", "/sp%20ace": "./sp%20ace/",
		"/dirlink":    "./dirlink/",
		"/sub/deeper": "./deeper/", "//sub": "./sub/",
	} {
		if w := s.get("GET", path); w.Code != 301 || w.Header().Get("Location") != to {
			t.Errorf("GET %s: %d, Location %q, want %q", path, w.Code, w.Header().Get("Location"), to)
		}
	}
	// index.html that cannot be served as a page does not hide the directory.
	if w := s.get("GET", "/deep/"); w.Code != 200 || !strings.Contains(w.Body.String(), `href="./index.html/"`) {
		t.Errorf("GET /deep/: %d %s", w.Code, w.Body)
	}
	if w := s.get("GET", "/badindex/"); w.Code != 200 || strings.Contains(w.Body.String(), "index.html") {
		t.Errorf("GET /badindex/: %d %s", w.Code, w.Body)
	}
}

func TestHidden(t *testing.T) {
	s := newSite(t, Options{Dir: tree(t, map[string]string{".env": "e", ".git/config": "c"}), Hidden: true})
	s.want(t, "/.env", 200, "e")
	s.want(t, "/.git/config", 200, "c")
	if w := s.get("GET", "/"); !strings.Contains(w.Body.String(), `href="./.env"`) {
		t.Errorf("the listing has no .env: %s", w.Body)
	}
}

func TestMethods(t *testing.T) {
	for name, o := range map[string]Options{"files": {Dir: tree(t, map[string]string{"a": "text"})}, "live": {}} {
		s := newSite(t, o)
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get"} {
			w := s.get(method, "/")
			if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s: %s: %d, Allow %q", name, method, w.Code, w.Header().Get("Allow"))
			}
		}
	}
}

// Everything that http.ServeContent does arrives at the client, HEAD included.
func TestContent(t *testing.T) {
	dir := tree(t, map[string]string{"a.txt": "0123456789", "p.html": "<p>", "m.mjs": "x", "s.svg": "<svg/>",
		"noext": "\x89PNG\r\n\x1a\n"})
	srv := httptest.NewServer(newSite(t, Options{Dir: dir}))
	defer srv.Close()
	defer http.DefaultClient.CloseIdleConnections()
	ask := func(method, path string, header ...string) (*http.Response, string) {
		t.Helper()
		r, _ := http.NewRequest(method, srv.URL+path, nil)
		for _, h := range header {
			name, value, _ := strings.Cut(h, ": ")
			r.Header.Set(name, value)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp, string(body)
	}
	whole, _ := ask("GET", "/a.txt")
	tag, modified := whole.Header.Get("ETag"), whole.Header.Get("Last-Modified")
	if !strings.HasPrefix(tag, `"`) || modified != "Tue, 14 Nov 2023 22:13:20 GMT" {
		t.Errorf("ETag %s, Last-Modified %s", tag, modified)
	}
	for _, c := range []struct {
		method, header string
		status         int
		body           string
	}{
		{"GET", "Range: bytes=2-4", 206, "234"},
		{"GET", "Range: bytes=-3", 206, "789"},
		{"GET", "Range: bytes=20-30", 416, "invalid range: failed to overlap\n"},
		{"GET", "If-None-Match: " + tag, 304, ""},
		{"GET", "If-None-Match: W/" + tag, 304, ""},
		{"GET", `If-None-Match: "other"`, 200, "0123456789"},
		{"GET", "If-Modified-Since: " + modified, 304, ""},
		{"GET", "If-Modified-Since: Tue, 14 Nov 2023 22:13:19 GMT", 200, "0123456789"},
		{"GET", `If-Match: "other"`, 412, ""},
		{"HEAD", "Accept: */*", 200, ""},
		{"HEAD", "If-None-Match: " + tag, 304, ""},
	} {
		resp, body := ask(c.method, "/a.txt", c.header)
		if resp.StatusCode != c.status || body != c.body {
			t.Errorf("%s with %s: %d %q, want %d %q", c.method, c.header, resp.StatusCode, body, c.status, c.body)
		}
		if c.method == "HEAD" && c.status == 200 && resp.ContentLength != 10 {
			t.Errorf("HEAD: Content-Length %d", resp.ContentLength)
		}
	}
	if _, body := ask("GET", "/a.txt", "Range: bytes=2-4", "If-Range: "+tag); body != "234" {
		t.Errorf("If-Range with the tag: %q", body)
	}
	if _, body := ask("GET", "/a.txt", "Range: bytes=2-4", `If-Range: "other"`); body != "0123456789" {
		t.Errorf("If-Range with another tag: %q", body)
	}
	for path, want := range map[string]string{
		"/a.txt": "text/plain; charset=utf-8", "/p.html": "text/html; charset=utf-8",
		"/m.mjs": "text/javascript; charset=utf-8", "/s.svg": "image/svg+xml", "/noext": "image/png",
	} {
		if resp, _ := ask("GET", path); resp.Header.Get("Content-Type") != want {
			t.Errorf("%s is %q, want %q", path, resp.Header.Get("Content-Type"), want)
		}
	}
}

func TestETag(t *testing.T) {
	file := filepath.Join(tree(t, map[string]string{"a": "text"}), "a")
	tag := func(age time.Duration) string {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		return etag(info, info.ModTime().Add(age))
	}
	old := tag(time.Minute)
	if young := tag(time.Millisecond); young != "W/"+old {
		t.Errorf("a file that was just written has %s, an old one %s", young, old)
	}
	os.Chtimes(file, time.Time{}, time.Unix(1_700_000_000, 1))
	if next := tag(time.Minute); next == old {
		t.Error("a nanosecond later the tag is the same")
	}
	os.WriteFile(file, []byte("longer"), 0o644)
	os.Chtimes(file, time.Time{}, time.Unix(1_700_000_000, 0))
	if next := tag(time.Minute); next == old {
		t.Error("with another size the tag is the same")
	}
}

func TestHandlerErrors(t *testing.T) {
	dir := tree(t, map[string]string{"file": "x"})
	for path, want := range map[string]string{
		filepath.Join(dir, "missing"): "no such file or directory; name an existing directory",
		filepath.Join(dir, "file"):    "not a directory; name an existing directory",
	} {
		_, err := Handler(Options{Dir: path})
		if err == nil || err.Error() != "cannot serve "+path+": "+want+", or none for the live page" {
			t.Errorf("%s: %v", path, err)
		}
		if err := Run(context.Background(), Options{Dir: path}); err == nil {
			t.Error("Run served it")
		}
	}
}

func TestLogIsQuiet(t *testing.T) {
	s := newSite(t, Options{Dir: tree(t, map[string]string{"a": "text", "out": "-> /etc/passwd", "d/": ""})})
	for _, path := range []string{"/a", "/missing", "/d", "/d/", "/.env"} {
		s.get("GET", path)
	}
	if s.log.Len() > 0 {
		t.Errorf("answers were logged:\n%s", s.log)
	}
	s.get("GET", "/out")
	if log := s.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "file=out") ||
		!strings.Contains(log, "status=404") {
		t.Errorf("a link that leads out was logged as:\n%s", log)
	}
}

// A file that shrinks while it is sent ends the connection: the client sees
// that bytes are missing. One that is replaced is sent to its end.
func TestFileChangesWhileSent(t *testing.T) {
	for _, replaced := range []bool{false, true} {
		dir := t.TempDir()
		path := filepath.Join(dir, "big")
		if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 64<<20), 0o644); err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewServer(newSite(t, Options{Dir: dir}))
		resp, err := srv.Client().Get(srv.URL + "/big")
		if err != nil {
			t.Fatal(err)
		}
		io.CopyN(io.Discard, resp.Body, 1<<20) // the rest waits for the reader
		if replaced {
			os.WriteFile(path+".new", []byte("new"), 0o644)
			err = os.Rename(path+".new", path)
		} else {
			err = os.Truncate(path, 2<<20)
		}
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if replaced && (err != nil || n != 63<<20) {
			t.Errorf("replaced: %d more bytes, %v", n, err)
		}
		if !replaced && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("truncated: %d more bytes, %v", n, err)
		}
		srv.Close()
	}
}
