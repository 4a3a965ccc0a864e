package test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"relevo/internal/testbrowser"
	"relevo/internal/testreq"
)

// What a page says about itself.
const (
	pageOverlay = `document.querySelector('relevo-overlay')?.shadowRoot.querySelector('dialog[open] ` +
		`section')?.innerText ?? ''`
	pageKept = `String(window.kept)` // 1 until the page is reloaded
)

// sight is an expression with the value that it must have.
type sight struct{ expression, want string }

// overlaySays requires an overlay with all these texts.
func overlaySays(texts ...string) sight {
	var all []string
	for _, text := range texts {
		all = append(all, fmt.Sprintf("(%s).includes(%q)", pageOverlay, text))
	}
	return sight{strings.Join(all, " && "), "true"}
}

var (
	noOverlay = sight{`document.querySelector('relevo-overlay') === null`, "true"}
	stays     = sight{pageKept, "1"}
	reloaded  = sight{pageKept, "undefined"}
)

func titled(title string) sight { return sight{"document.title", title} }

func coloured(red int) sight {
	return sight{"getComputedStyle(document.body).color", fmt.Sprintf("rgb(%d, 0, 0)", red)}
}

// browserStep is a save, and what the open page shows after it.
type browserStep struct {
	name  string
	files map[string]string
	same  bool // the workers are the same as before
	looks []sight
}

// inBrowser opens the page of the proxy, and takes the steps.
func (s *devSite) inBrowser(b *testbrowser.Browser, steps []browserStep) {
	s.t.Helper()
	var pids []int
	for _, step := range steps {
		// A loaded script listens; the mark shows whether the page was reloaded.
		b.Eventually("window.__relevo ? window.kept = 1 : 0", "1")
		for name, text := range step.files {
			s.save(name, text)
		}
		for _, look := range step.looks {
			s.t.Logf("%s: %s", step.name, look.expression)
			b.Eventually(look.expression, look.want)
		}
		now := s.settled(1)
		if pids != nil && slices.Equal(now, pids) != step.same {
			s.t.Errorf("%s: worker %d, before %d", step.name, now, pids)
		}
		pids = now
	}
}

// proxy waits for the proxy, and returns its URL.
func (s *devSite) proxy() (url string) {
	s.t.Helper()
	told := regexp.MustCompile(`msg="pages reload by themselves" url=(\S+)`)
	s.await("the proxy's address", func() bool {
		found := told.FindStringSubmatch(s.log.String())
		if found != nil {
			url = found[1]
		}
		return found != nil
	})
	return url
}

// goPage is a program that serves a page with this title.
func goPage(title, extra string) string {
	return goServer("<!doctype html><title>"+title+"</title>", extra)
}

// TestDevBrowser: what a developer sees in the browser, from the first build, which is broken, to
// the last one.
func TestDevBrowser(t *testing.T) {
	takesLong(t)
	t.Parallel()
	b := testbrowser.New(t)
	broken := strings.Replace(goPage("never", ""), "listener, err", "listner, err", 1)
	s := newDevSite(t, map[string]string{"go.mod": devModule, "main.go": broken})
	s.dev("--proxy", "127.0.0.1:0")
	s.says("nothing serves yet")
	b.Open(s.proxy())
	const place = "/main.go:12:2" // of listner
	b.Eventually(overlaySays("go build failed", place, "declared and not used: listner").expression, "true")
	s.save("main.go", goPage("one", ""))
	b.Eventually("document.title", "one")
	s.inBrowser(b, []browserStep{
		{"the first page", nil, false, []sight{titled("one"), noOverlay}},
		{"a good save", map[string]string{"main.go": goPage("two", "")}, false, []sight{titled("two"), reloaded, noOverlay}},
		{"a save that does not build", map[string]string{"main.go": broken}, true, []sight{
			overlaySays("go build failed", place, "declared and not used: listner"), titled("two"), stays,
		}},
		{"a save that does not start", map[string]string{"main.go": goPage("never", `panic("no <b>database</b>")`)}, true,
			[]sight{
				overlaySays("the new worker did not start", "/main.go:11", "panic: no <b>database</b>"), titled("two"), stays,
			}},
		{"the next good save", map[string]string{"main.go": goPage("three", "")}, false,
			[]sight{titled("three"), reloaded, noOverlay}},
		{"broken, once more", map[string]string{"main.go": broken}, true, []sight{overlaySays(place), stays}},
		{"the previous bytes", map[string]string{"main.go": goPage("three", "")}, true, []sight{noOverlay, titled("three")}},
	})
}

// TestDevBrowserStyles: if only a stylesheet was saved, the page is not reloaded, and shows the new
// style.
func TestDevBrowserStyles(t *testing.T) {
	takesLong(t)
	testreq.Program(t, "python3")
	t.Parallel()
	b := testbrowser.New(t)
	style := func(red int) string { return fmt.Sprintf("body { color: rgb(%d, 0, 0) }", red) }
	s := newDevSite(t, map[string]string{"app.py": pythonPage("one"), "static/app.css": style(1)})
	s.dev("--watch", "**/*.py", "--watch", "static/**", "--proxy", "127.0.0.1:0", "--", "python3", "app.py")
	s.says("→ live") // an older page would be reloaded
	b.Open(s.proxy())
	s.inBrowser(b, []browserStep{
		{"the first page", nil, false, []sight{titled("one"), coloured(1)}},
		{"a style", map[string]string{"static/app.css": style(2)}, false, []sight{coloured(2), stays}},
		{"another", map[string]string{"static/app.css": style(3)}, false, []sight{coloured(3), stays}},
		{"a style and the program", map[string]string{"static/app.css": style(4), "app.py": pythonPage("two")}, false,
			[]sight{titled("two"), coloured(4), reloaded}},
		{"a script that does not start", map[string]string{"app.py": "this is not python"}, true,
			[]sight{overlaySays("the new worker did not start", "/app.py:1", "NameError"), titled("two"), stays}},
		{"a style of a program that does not start", map[string]string{"static/app.css": style(5)}, true,
			[]sight{overlaySays("NameError"), stays}},
		{"mended", map[string]string{"app.py": pythonPage("three")}, false, []sight{titled("three"), coloured(5), reloaded,
			noOverlay}},
	})
}

// pythonPage is a server of a page with a stylesheet, which it reads at each request.
func pythonPage(title string) string {
	return strings.Replace(pythonServer("<title>"+title+"</title><link rel=stylesheet href=/app.css>"),
		"        self.send_response(200)\n",
		`        if self.path.split("?")[0] == "/app.css":
            self.send_response(200)
            self.send_header("Content-Type", "text/css")
            self.end_headers()
            self.wfile.write(open("static/app.css", "rb").read())
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
`, 1)
}
