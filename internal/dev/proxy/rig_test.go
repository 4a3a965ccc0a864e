package proxy

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// tooLong is the time after which a test fails.
const tooLong = 60 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// appOf serves a handler as the app, in HTTP/1.1 and HTTP/2 without TLS.
func appOf(t *testing.T, handler http.Handler, http2 bool) *httptest.Server {
	t.Helper()
	app := httptest.NewUnstartedServer(handler)
	app.Config.Protocols = new(http.Protocols)
	app.Config.Protocols.SetHTTP1(true)
	app.Config.Protocols.SetUnencryptedHTTP2(http2)
	app.Start()
	t.Cleanup(app.Close)
	return app
}

func hostOf(server *httptest.Server) string { return strings.TrimPrefix(server.URL, "http://") }

// run starts a proxy that ends with the test, and checks its end.
func run(t *testing.T, o Options) *Proxy {
	t.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	runProxy(t, p)
	return p
}

func runProxy(t *testing.T, p *Proxy) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(tooLong):
			t.Error("Run does not end")
		}
	}
	t.Cleanup(stop)
	return stop
}

// proxied returns a proxy in front of a handler.
func proxied(t *testing.T, handler http.HandlerFunc) *Proxy {
	t.Helper()
	return run(t, Options{Target: hostOf(appOf(t, handler, false))})
}

// client returns a client with connections of its own, which end with the test. It does not
// decompress.
func client(t *testing.T) *http.Client {
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		Timeout:       tooLong,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ask sends a request; headers are pairs.
func ask(t *testing.T, method, url, body string, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	res, err := client(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// page sends a request as a browser does that will show the answer.
func page(t *testing.T, url string, headers ...string) *http.Response {
	t.Helper()
	return ask(t, "GET", url, "", append([]string{"Sec-Fetch-Dest", "document", "Accept", "text/html", "Accept-Encoding",
		"gzip, br"}, headers...)...)
}

func text(t *testing.T, res *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// tagOf is the element that a proxy adds to a document.
func tagOf(p *Proxy, nonce string) string {
	now, _ := p.board.look()
	return element(now.stamp()+".GET", nonce)
}
