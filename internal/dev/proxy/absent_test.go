package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// serveProtocols serves protocolOf on a Unix socket until the returned function is called.
func serveProtocols(t *testing.T, path string, http2 bool) (stop func()) {
	t.Helper()
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: protocolOf, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(http2)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	return func() {
		_ = server.Close()
		<-served
	}
}

func (t *tracker) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.running
}

// TestRequestsWaitForTheApp: requests sent while nothing listens are answered once, when something
// does.
func TestRequestsWaitForTheApp(t *testing.T) {
	socket := socketPath(t)
	p := run(t, Options{Target: "unix:" + socket, Patience: tooLong})
	var served atomic.Int32
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() {
			res, err := client(t).Post(p.URL(), "text/plain", strings.NewReader("body"))
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if got, _ := io.ReadAll(res.Body); res.StatusCode != 200 || string(got) != "body" {
				t.Errorf("%d %q", res.StatusCode, got)
			}
		})
	}
	for began := time.Now(); p.tracker.count() < 20; time.Sleep(time.Millisecond) {
		if time.Since(began) > tooLong {
			t.Fatalf("%d requests wait", p.tracker.count())
		}
	}
	listenAt(t, socket, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		_, _ = io.Copy(w, r.Body)
	}))
	clients.Wait()
	if served.Load() != 20 {
		t.Errorf("%d requests were served", served.Load())
	}
}

// TestPatienceEnds: if the app does not come, the error names it, for pages and for other clients.
func TestPatienceEnds(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := listener.Addr().String()
	listener.Close()
	for _, target := range []string{refused, "unix:" + socketPath(t)} {
		p := run(t, Options{Target: target, Patience: 50 * time.Millisecond})
		res := ask(t, "GET", p.URL(), "", "Accept", "application/json")
		if got := text(t, res); res.StatusCode != 503 || res.Header.Get("Retry-After") == "" ||
			!strings.Contains(got, target) || !strings.Contains(got, "connect: ") {
			t.Errorf("%d %q", res.StatusCode, got)
		}
		p.Fail(Failure{Title: "<b>broken", Problems: []Problem{{File: "a.go", Line: 1, Text: "<i>"}},
			Output: "</pre><script>"})
		res = page(t, p.URL())
		got := text(t, res)
		for _, want := range []string{"<title>&lt;b&gt;broken</title>", "a.go:1", "&lt;i&gt;", "&lt;/pre&gt;&lt;script&gt;",
			".GET.waiting"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s is not in %s", want, got)
			}
		}
		if res.StatusCode != 503 || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d %v", res.StatusCode, res.Header)
		}
	}
}

// TestNothingIsSentTwice: a request that was sent and lost is answered with an error at once.
func TestNothingIsSentTwice(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var taken atomic.Int32
	accepting := make(chan struct{})
	go func() {
		defer close(accepting)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				taken.Add(1)
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-accepting
	})
	p := run(t, Options{Target: listener.Addr().String(), Patience: tooLong})
	for i, method := range []string{"GET", "POST", "PUT"} {
		res := ask(t, method, p.URL(), "")
		if got := text(t, res); res.StatusCode != 502 || int(taken.Load()) != i+1 {
			t.Errorf("%s: %d %q, taken %d times", method, res.StatusCode, got, taken.Load())
		}
	}
	if res := page(t, p.URL()); res.StatusCode != 502 || !strings.Contains(text(t, res), "The app broke off") {
		t.Errorf("a document: %d", res.StatusCode)
	}
}

// TestSilence: the socket is open but no worker answers. A document waits for a limited time before
// the first answer, and while there is a failure.
func TestSilence(t *testing.T) {
	t.Parallel()
	release, short := make(chan struct{}), silence{start: time.Second, broken: time.Minute}
	app := appOf(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}), false)
	p := run(t, Options{silence: short, Target: hostOf(app)})
	res := page(t, p.URL())
	if got := text(t, res); res.StatusCode != 503 || !strings.Contains(got, "has not answered yet") {
		t.Errorf("%d %q", res.StatusCode, got)
	}
	// Once the app is ready, the proxy waits for slow pages.
	p.Reload(nil)
	began := time.Now()
	time.AfterFunc(2*short.start, func() { close(release) })
	if res = page(t, p.URL()); res.StatusCode != 200 {
		t.Errorf("%d after %s", res.StatusCode, time.Since(began))
	}
}

func TestSilenceWhileBroken(t *testing.T) {
	t.Parallel()
	app := appOf(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), false)
	p := run(t, Options{silence: silence{start: time.Second, broken: time.Second}, Target: hostOf(app)})
	p.Reload(nil)
	p.Fail(Failure{Title: "It crashes"})
	if res := page(t, p.URL()); res.StatusCode != 503 || !strings.Contains(text(t, res), "It crashes") {
		t.Errorf("%d", res.StatusCode)
	}
}
