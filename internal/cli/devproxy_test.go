package cli

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/dev"
)

// TestDevProxy: the proxy starts when the app's address is known. Before that, and without --proxy,
// nothing happens.
func TestDevProxy(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	none := newBrowser(config.App{}, ".", log)
	if none.forLoop() != nil || none.waits() || none.url() != "" || none.begin(t.Context(), nil) != nil {
		t.Error("there is a proxy that was not asked for")
	}
	none.wait()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "<html><head></head><body>the app</body></html>")
	}))
	defer app.Close()
	page := newBrowser(config.App{Dev: config.Dev{Proxy: "127.0.0.1:0"}}, t.TempDir(), log)
	loop := page.forLoop()
	loop.Reload(nil)
	loop.Fail(dev.Failure{Title: "too early"})
	loop.Clear()
	if !page.waits() || page.url() != "" {
		t.Error("it shows something before the app's address is known")
	}
	if err := page.begin(t.Context(), nil); err == nil || control.ExitCode(err) != control.ExitUsage ||
		!strings.Contains(err.Error(), "it has no listener") {
		t.Errorf("without a listener: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer page.wait()
	defer cancel()
	listener := control.Listener{Address: strings.TrimPrefix(app.URL, "http://")}
	if err := page.begin(ctx, []control.Listener{listener}); err != nil || page.waits() {
		t.Fatal(err)
	}
	get := func() string {
		response, err := http.Get(page.url())
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		return string(text)
	}
	defer http.DefaultClient.CloseIdleConnections()
	if got := get(); !strings.Contains(got, "the app") {
		t.Errorf("the page is %s", got)
	}
	c := &cli{stderr: os.Stderr}
	var told strings.Builder
	page.greet(c, slog.New(slog.NewTextHandler(&told, nil)))
	if !isTerminal(os.Stderr) && !strings.Contains(told.String(), page.url()) {
		t.Errorf("its address is told as %s", told.String())
	}
	loop.Reload([]string{"a.css"})
	loop.Fail(dev.Failure{Title: "go build failed", Problems: []dev.Problem{{File: "main.go", Line: 1, Text: "oh"}}})
	loop.Clear()
}

func TestTargetOf(t *testing.T) {
	for address, want := range map[string]string{
		"/run/web.sock": "unix:/run/web.sock", "@web": "unix:@web", "0.0.0.0:80": "localhost:80",
		"[::]:8080":    "localhost:8080",
		"192.0.2.1:81": "192.0.2.1:81",
	} {
		if got := targetOf(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

// TestProxyAddress: an address after --proxy belongs to it, a package does not.
func TestProxyAddress(t *testing.T) {
	for args, want := range map[string]string{
		"dev --proxy 127.0.0.1:99 ./cmd": "dev --proxy=127.0.0.1:99 ./cmd", "dev --proxy :99": "dev --proxy=:99",
		"dev --proxy ./cmd": "dev --proxy ./cmd", "dev --proxy": "dev --proxy",
		"dev -- x --proxy :99": "dev -- x --proxy :99", "dev --proxy host:http": "dev --proxy host:http",
	} {
		if got := strings.Join(proxyAddress(strings.Fields(args)), " "); got != want {
			t.Errorf("%s: %s, want %s", args, got, want)
		}
	}
}
