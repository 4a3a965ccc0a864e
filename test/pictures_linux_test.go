package test

import (
	"bytes"
	"context"
	"encoding/base64"
	"flag"
	"fmt"
	"html"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relevo/internal/control"
	"relevo/internal/testbrowser"
)

var picturesInto = flag.String("pictures", "", "directory that TestPictures writes the pictures of docs into")

// TestPictures makes the pictures in docs/pictures of a real roll, when docs/pictures/make asks for
// it: the canary of generation 3 is on probation, and a worker of generation 1 still drains.
func TestPictures(t *testing.T) {
	takesLong(t)
	t.Parallel()
	dir := *picturesInto
	if dir == "" {
		dir = t.TempDir()
	}
	s := emptySite(t)
	s.named("shop", "-n", "3", "--canary", "3m", "--drain-timeout", "10m", "--watch-binary=false")
	for _, more := range []string{"api", "images"} {
		s.companion(more)
	}
	page, pane, browser := s.web("--listen", "127.0.0.1:0"), newPane(s), testbrowser.New(t)
	pane.run("resize-window", "-x", "116", "-y", "26")
	pane.types("./relevo monit shop", "Enter")
	pane.shows(`▸ shop`)
	pane.types("e")
	browser.Look("light", 1200, 1060)
	browser.Open(page.url + "#app=shop&token=" + page.token)
	endLoad := s.load()
	leave := stream(t, "http://"+s.status().Listeners[0].Address+"/stream")
	s.rollTo("2")
	if _, err := s.client.Promote(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.await("the end of the roll", func() bool { return s.status().State == "running" && leaving(s.status()) == 1 })
	s.rollTo("3")
	browser.Eventually("document.querySelector('#sparks polyline').getAttribute('points').split(' ').length > 60", "true")
	pane.shows(`canary: worker(?s:.*)1 open`)
	browser.Eventually("document.getElementById('canary').textContent.includes('Canary')", "true")
	browser.Eventually("document.getElementById('slots').textContent.includes('1 connection left')", "true")
	browser.Script("document.documentElement.style.overflow = 'hidden'") // no scroll bar
	keepPicture(t, filepath.Join(dir, "page-light.png"), browser.Screenshot())
	browser.Look("dark", 1200, 1060)
	keepPicture(t, filepath.Join(dir, "page-dark.png"), browser.Screenshot())
	frame := pane.run("capture-pane", "-e", "-p")
	browser.Look("dark", 1012, 498)
	browser.Open("data:text/html;base64," + base64.StdEncoding.EncodeToString([]byte(terminalPage(frame))))
	keepPicture(t, filepath.Join(dir, "monit.png"), browser.Screenshot())
	leave()
	endLoad()
	page.end()
}

// named starts the master of an app of this name, and waits until it serves.
func (s *site) named(name string, flags ...string) {
	s.t.Helper()
	s.run(append(append([]string{"run", "--name", name, "-l", "127.0.0.1:0"}, flags...), "--", "./app")...)
	s.client = s.masterOf(name)
}

// companion starts another app, which ends with the test.
func (s *site) companion(name string) {
	s.t.Helper()
	cmd := s.command("run", "--name", name, "-l", "127.0.0.1:0", "-n", "2", "--", "./app")
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	})
	s.masterOf(name)
}

// masterOf waits until an app serves, and returns a client of its master.
func (s *site) masterOf(name string) (client *control.Client) {
	s.t.Helper()
	s.await(name+" to serve", func() bool {
		var err error
		if client, err = control.Connect(context.Background(), filepath.Join(s.dir, "run", name+".sock")); err != nil {
			return false
		}
		status, err := client.Status(context.Background())
		return err == nil && status.State == "running"
	})
	return client
}

// rollTo begins a roll to a release of shop, and waits for its canary.
func (s *site) rollTo(version string) {
	s.t.Helper()
	s.release(version, "serve")
	if code, said := s.relevo("reload", "shop", "--no-wait"); code != 0 {
		s.t.Fatalf("reload: %d %s", code, said)
	}
	s.await("the canary", func() bool { return s.status().Canary != nil })
}

// keepPicture writes a picture, which must be small because every clone contains it.
func keepPicture(t *testing.T, path string, screenshot []byte) {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(screenshot))
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&file, picture); err != nil {
		t.Fatal(err)
	}
	const least, most = 10 << 10, 150 << 10
	if n := file.Len(); n < least || n > most {
		t.Errorf("%s has %d bytes", path, n)
	}
	if err := os.WriteFile(path, file.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// terminalPage shows a frame of a terminal, with the usual dark colors.
func terminalPage(frame string) string {
	var b strings.Builder
	b.WriteString(`<!doctype html><meta charset="utf-8"><style>body{margin:0;background:#11151c}` +
		`pre{margin:14px;font:14px/18px "DejaVu Sans Mono",monospace;color:#d6dae2}</style><pre>`)
	style := map[string]string{}
	for i, part := range strings.Split(frame, "\x1b[") {
		text := part
		if i > 0 {
			var codes string
			codes, text, _ = strings.Cut(part, "m")
			graphic(style, codes)
		}
		fmt.Fprintf(&b, `<span style="color:%s;background:%s;font-weight:%s">%s</span>`, style["color"],
			style["background"], style["weight"], html.EscapeString(text))
	}
	return b.String()
}

// graphic applies the parameters of an SGR sequence (ECMA-48).
func graphic(style map[string]string, codes string) {
	colors := map[string]string{"32": "#3fae6c", "33": "#d29a2e", "31": "#e5646a", "34": "#6aa5f0", "90": "#8b94a3",
		"91": "#ff7b80", "92": "#4fd08a", "93": "#f0b64d", "96": "#62c9d6"}
	for code := range strings.SplitSeq(codes, ";") {
		switch color, known := colors[code]; {
		case code == "" || code == "0":
			clear(style)
		case code == "1":
			style["weight"] = "bold"
		case code == "7":
			style["color"], style["background"] = "#11151c", "#d6dae2"
		case code == "39":
			delete(style, "color")
		case known:
			style["color"] = color
		}
	}
}
