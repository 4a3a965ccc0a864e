package proxy

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"relevo/internal/testbrowser"
	"relevo/internal/testreq"
)

// site is an app whose pages show its version.
type site struct {
	version, colour atomic.Int64
	csp, cache      string
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/app.css", "/imports.css":
		w.Header().Set("Content-Type", "text/css")
		w.Header().Set("Cache-Control", "max-age=3600")
		if r.URL.Path == "/imports.css" {
			fmt.Fprint(w, "@import '/app.css';")
			return
		}
		fmt.Fprintf(w, "body { color: rgb(%d, 0, 0) }", s.colour.Load())
	case "/stream":
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	default:
		s.page(w, r)
	}
}

func (s *site) page(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	if s.csp != "" {
		w.Header().Set("Content-Security-Policy", s.csp)
	}
	if s.cache != "" {
		etag := fmt.Sprintf(`"%d"`, s.version.Load())
		w.Header().Set("Cache-Control", s.cache)
		w.Header().Set("Etag", etag)
		if r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	sheet := "/app.css"
	if r.URL.Path == "/importing" {
		sheet = "/imports.css"
	}
	if r.URL.Path == "/styleless" {
		sheet = ""
	}
	link := ""
	if sheet != "" {
		link = `<link rel=stylesheet href="` + sheet + `">`
	}
	fmt.Fprintf(w, `<!doctype html><html><head><title>v%d</title>%s</head><body><p id=method>%s</p>
<form method=post action=/form><button id=send>send</button></form></body></html>`, s.version.Load(), link, r.Method)
}

func browse(t *testing.T, s *site) (*Proxy, *testbrowser.Browser) {
	t.Helper()
	p := run(t, Options{Target: hostOf(appOf(t, s, false)), Root: "/src"})
	return p, testbrowser.New(t)
}

const (
	overlayOpen = `!!document.querySelector('relevo-overlay')?.shadowRoot.querySelector('dialog').open`
	overlayText = `document.querySelector('relevo-overlay').shadowRoot.querySelector('section').innerText`
	live        = `!!window.__relevo`
)

func TestBrowserReloads(t *testing.T) {
	testreq.TakesLong(t)
	s := &site{}
	p, b := browse(t, s)
	b.Open(p.URL())
	b.Eventually(live, "true")
	for version := range int64(5) {
		s.version.Store(version + 1)
		p.Reload([]string{"main.go", "app.css"})
		b.Eventually("document.title", fmt.Sprintf("v%d", version+1))
	}
	b.Eventually("document.scripts.length", "0") // the script has removed its element
}

// TestBrowserManyPages: more pages than a browser opens connections for one server.
func TestBrowserManyPages(t *testing.T) {
	testreq.TakesLong(t)
	s := &site{}
	p, b := browse(t, s)
	var windows []string
	for range 9 {
		windows = append(windows, b.NewWindow("window"))
		b.Open(p.URL())
		b.Eventually(live, "true")
		if len(windows) <= 4 { // streams of the app, as many as fit
			b.Script("(() => { new EventSource('/stream').onmessage = e => window.last = e.data })()")
			b.Eventually("window.last", "2")
		}
	}
	for version := int64(1); version < 4; version++ {
		s.version.Store(version)
		p.Reload(nil)
		for _, window := range windows {
			b.Window(window)
			b.Eventually("document.title", fmt.Sprintf("v%d", version))
		}
		// The page that reads the stream for all is closed.
		b.Window(windows[0])
		b.Call("DELETE", "/window", nil, nil)
		windows = windows[1:]
		b.Window(windows[0])
	}
}

// TestBrowserBackground: a hidden page reloads when it becomes visible.
func TestBrowserBackground(t *testing.T) {
	testreq.TakesLong(t)
	s := &site{}
	p, b := browse(t, s)
	first := b.NewWindow("window")
	b.Open(p.URL())
	b.Eventually(live, "true")
	b.NewWindow("tab")
	b.Open(p.URL())
	b.Eventually(live, "true")
	s.version.Store(1)
	p.Reload(nil)
	b.Eventually("document.title", "v1")
	b.Window(first)
	b.Eventually("document.title", "v1")
}

func TestBrowserSwapsStyles(t *testing.T) {
	testreq.TakesLong(t)
	s := &site{}
	p, b := browse(t, s)
	b.Open(p.URL())
	b.Eventually(live, "true")
	b.Script("window.kept = 1")
	for colour := int64(1); colour < 5; colour++ {
		s.colour.Store(colour)
		p.Reload([]string{"assets/app.css"})
		b.Eventually("getComputedStyle(document.body).color", fmt.Sprintf("rgb(%d, 0, 0)", colour))
	}
	b.Eventually("document.querySelectorAll('link').length", "1")
	b.Eventually("window.kept", "1")
	// If no stylesheet could be swapped, the page reloads.
	for _, path := range []string{"/styleless", "/importing"} {
		b.Open(p.URL() + path)
		b.Eventually(live, "true")
		b.Script("window.kept = 1")
		p.Reload([]string{"assets/app.css"})
		b.Eventually("String(window.kept)", "undefined")
		b.Eventually(live, "true")
	}
}

var hostile = Failure{
	Title: "Build failed",
	Problems: []Problem{
		{File: "cmd/app/main.go", Line: 12, Column: 5, Text: "undefined: <script>document.title = 'owned'</script>"},
		{File: "internal/pages/<img src=x onerror=document.title='owned'>.go", Line: 3,
			Text: "syntax error: unexpected newline, expected comma or )"},
	},
	Output: "# example/cmd/app\ncmd/app/main.go:12:5: undefined: \x1b[31mfrobnicate\x1b[0m\n" +
		"<img src=x onerror=\"document.title='owned'\">",
}

func TestBrowserOverlay(t *testing.T) {
	testreq.TakesLong(t)
	s := &site{}
	p, b := browse(t, s)
	b.Open(p.URL())
	b.Eventually(live, "true")
	p.Fail(hostile)
	b.Eventually(overlayOpen, "true")
	shown := b.Script(overlayText)
	for _, want := range []string{"Build failed", "cmd/app/main.go:12:5", "<script>document.title = 'owned'</script>",
		"undefined: frobnicate", `<img src=x onerror="document.title='owned'">`} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not in %q", want, shown)
		}
	}
	const dialog = "document.querySelector('relevo-overlay').shadowRoot.querySelector('dialog')"
	b.Eventually(dialog+".querySelector('a').href", "vscode://file/src/cmd/app/main.go:12:5")
	b.Eventually(dialog+".querySelectorAll('img, script').length", "0")
	b.Eventually(dialog+".querySelector('section').role", "alert")
	if path := os.Getenv("PROXY_SCREENSHOT"); path != "" {
		if err := os.WriteFile(path, b.Screenshot(), 0o600); err != nil {
			t.Error(err)
		}
	}
	b.Eventually("document.title", "v0")
	b.Open(p.URL() + "/later") // a page opened later
	b.Eventually(overlayOpen, "true")
	b.Press("\uE00C") // Escape
	b.Eventually(overlayOpen, "false")
	p.Fail(Failure{Title: "again"})
	b.Eventually(overlayOpen+" && "+overlayText+".includes('again')", "true")
	p.Clear()
	b.Eventually("document.querySelector('relevo-overlay') === null", "true")
}

// TestBrowserOldState: an old state that comes late does not hide a failure.
func TestBrowserOldState(t *testing.T) {
	testreq.TakesLong(t)
	p, b := browse(t, &site{})
	b.Open(p.URL())
	b.Eventually(live, "true")
	b.Script("void fetch('/__relevo/state').then(answer => answer.json()).then(state => window.old = state)")
	b.Eventually("!!window.old", "true")
	p.Fail(hostile)
	b.Eventually(overlayOpen, "true")
	b.Script(`(() => {
		new BroadcastChannel('relevo').onmessage = () => window.late = true // heard after relevo's own channel
		new BroadcastChannel('relevo').postMessage(window.old)
	})()`)
	b.Eventually("!!window.late", "true")
	if got := b.Script(overlayOpen); got != "true" {
		t.Errorf("the overlay is open: %s", got)
	}
}

func TestBrowserStrictPolicies(t *testing.T) {
	testreq.TakesLong(t)
	for _, csp := range []string{
		"default-src 'none'; script-src 'nonce-abc' 'strict-dynamic'; style-src 'none'; require-trusted-types-for 'script'",
		"default-src 'none'",
		"script-src 'none'; connect-src 'none'; style-src 'nonce-x'",
		"script-src 'sha256-RFWPLDbv2BY+rCkDzsE+0fr8ylGr2R2faWMhq4lfEQc=' 'strict-dynamic'",
	} {
		t.Run(csp, func(t *testing.T) {
			s := &site{csp: csp}
			p, b := browse(t, s)
			b.Open(p.URL())
			b.Eventually(live, "true")
			p.Fail(hostile)
			b.Eventually(overlayOpen, "true")
			p.Clear()
			b.Eventually(overlayOpen, "false")
			s.version.Store(1)
			p.Reload(nil)
			b.Eventually("document.title", "v1")
		})
	}
}

// TestBrowserCache: a document from the browser's cache is old and knows it, but does not reload
// forever.
func TestBrowserCache(t *testing.T) {
	testreq.TakesLong(t)
	for _, cache := range []string{"max-age=3600", "no-cache"} {
		s := &site{cache: cache}
		p, b := browse(t, s)
		b.Open(p.URL() + "/a")
		b.Eventually(live, "true")
		p.Reload(nil) // the document does not change: 304
		b.Eventually("!!window.__relevo && performance.getEntriesByType('navigation')[0].type", "reload")
		staysAndListens(p, b)
		b.Open(p.URL() + "/b")
		b.Open(p.URL() + "/a")
		b.Eventually(live, "true")
		s.version.Store(1)
		p.Reload(nil)
		b.Eventually("document.title", "v1")
		b.Eventually(live, "true")
		staysAndListens(p, b)
	}
}

// staysAndListens checks that the page does not reload any more, and still shows a failure.
func staysAndListens(p *Proxy, b *testbrowser.Browser) {

	b.Script("window.kept = 1")
	p.Fail(Failure{Title: "still listening"})
	b.Eventually(overlayOpen, "true")
	p.Clear()
	b.Eventually(overlayOpen, "false")
	b.Eventually("window.kept", "1")
}

// TestBrowserForm: a reload does not silently send a form again.
func TestBrowserForm(t *testing.T) {
	testreq.TakesLong(t)
	s := &site{}
	p, b := browse(t, s)
	b.Open(p.URL())
	b.Script("document.querySelector('#send').click()")
	b.Eventually("document.querySelector('#method')?.textContent", "POST")
	b.Eventually(live, "true")
	s.version.Store(1)
	p.Reload(nil)
	b.Eventually(overlayOpen+" && "+overlayText+".includes('answer to a form')", "true")
	b.Eventually("document.title", "v0")
}

// TestBrowserSockets: the app's WebSockets and streams pass through.
func TestBrowserSockets(t *testing.T) {
	testreq.TakesLong(t)
	p := run(t, Options{Target: hostOf(appOf(t, withSocket(&site{}), false))})
	b := testbrowser.New(t)
	b.Open(p.URL())
	b.Script(`(() => {
		const socket = new WebSocket(location.origin.replace('http', 'ws') + '/socket')
		socket.onopen = () => socket.send('hello')
		socket.onmessage = event => window.echo = event.data
		new EventSource('/stream').onmessage = event => window.last = event.data
	})()`)
	b.Eventually("window.echo", "hello")
	b.Eventually("window.last", "2")
}

// TestBrowserWaits: a page opened before the app exists waits, then shows the failure, and becomes
// the app's page by itself.
func TestBrowserWaits(t *testing.T) {
	testreq.TakesLong(t)
	socket := socketPath(t)
	p := run(t, Options{Target: "unix:" + socket})
	b := testbrowser.New(t)
	b.Open(p.URL())
	b.Eventually("document.title", "Waiting for the app")
	p.Fail(Failure{Title: "Build failed", Output: "main.go:1: oh"})
	b.Eventually(overlayOpen, "true")
	b.Open(p.URL())
	b.Eventually("document.title", "Build failed")
	b.Eventually(overlayOpen, "true")
	p.Clear()
	listenAt(t, socket, &site{})
	b.Eventually("document.title", "v0")
}

// TestBrowserProxyRestarts: pages of an earlier proxy reload.
func TestBrowserProxyRestarts(t *testing.T) {
	testreq.TakesLong(t)
	s := &site{}
	app := hostOf(appOf(t, s, false))
	first, err := New(Options{Listen: "127.0.0.1:0", Target: app})
	if err != nil {
		t.Fatal(err)
	}
	stop := runProxy(t, first)
	b := testbrowser.New(t)
	b.Open(first.URL())
	b.Eventually(live, "true")
	stop()
	s.version.Store(1)
	run(t, Options{Listen: strings.TrimPrefix(first.URL(), "http://"), Target: app})
	b.Eventually("document.title", "v1")
}
