package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// client2 speaks HTTP/2 with prior knowledge.
func client2(t *testing.T) *http.Client {
	transport := &http.Transport{Protocols: new(http.Protocols), DisableCompression: true}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: tooLong}
}

func get2(t *testing.T, c *http.Client, url string) (string, *http.Response) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return text(t, res), res
}

var protocolOf = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Trailer", "Grpc-Status")
	_, _ = io.Copy(w, r.Body)
	fmt.Fprintf(w, "%s %s %s", r.Proto, r.Host, r.Header.Get("Te"))
	w.Header().Set("Grpc-Status", "0")
})

// TestHTTP2: an app that speaks HTTP/2 is reached by it, with the trailers that gRPC needs; other
// apps get HTTP/1.1.
func TestHTTP2(t *testing.T) {
	for speaks, want := range map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"} {
		p := run(t, Options{Target: hostOf(appOf(t, protocolOf, speaks))})
		c := client2(t)
		for range 3 {
			r, _ := http.NewRequest("POST", p.URL(), strings.NewReader("sent "))
			r.Header.Set("Te", "trailers")
			res, err := c.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			got := text(t, res)
			res.Body.Close()
			if res.Proto != "HTTP/2.0" || got != "sent "+want+" "+strings.TrimPrefix(p.URL(), "http://")+" trailers" ||
				res.Trailer.Get("Grpc-Status") != "0" {
				t.Errorf("%s %q, trailers %v", res.Proto, got, res.Trailer)
			}
		}
		if got := text(t, ask(t, "GET", p.URL(), "")); !strings.HasPrefix(got, "HTTP/1.1") {
			t.Errorf("a client of HTTP/1.1 reached %q", got)
		}
	}
}

// TestHTTP2Document: documents get their element over HTTP/2 too.
func TestHTTP2Document(t *testing.T) {
	p := run(t, Options{Target: hostOf(appOf(t, fixed(200, html1, "Content-Type", "text/html"), true))})
	r, _ := http.NewRequest("GET", p.URL(), nil)
	r.Header.Set("Sec-Fetch-Dest", "document")
	res, err := client2(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := text(t, res); !strings.Contains(got, tagOf(p, "")) {
		t.Error(got)
	}
}

// TestNewVersionIsAskedAnew: each version is asked whether it speaks HTTP/2, and connections of the
// old version are not used again.
func TestNewVersionIsAskedAnew(t *testing.T) {
	for _, order := range [][]bool{{true, false}, {false, true}} {
		socket := socketPath(t)
		p := run(t, Options{Target: "unix:" + socket})
		c := client2(t)
		for _, speaks := range order {
			app := serveProtocols(t, socket, speaks)
			p.Reload(nil)
			want := map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"}[speaks]
			if got, _ := get2(t, c, p.URL()); !strings.HasPrefix(got, want) {
				t.Errorf("got %q, want %s", got, want)
			}
			app()
		}
	}
}

// TestEachRequestItsConnection: a kept connection would lead to an old worker.
func TestEachRequestItsConnection(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		var mu sync.Mutex
		remotes := map[string]bool{}
		p := run(t, Options{Target: hostOf(appOf(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			remotes[r.RemoteAddr] = true
		}), http2))})
		c := client(t)
		if http2 {
			c = client2(t)
		}
		for range 10 {
			get2(t, c, p.URL())
		}
		if len(remotes) != 10 {
			t.Errorf("HTTP/2 %v: 10 requests came by %d connections", http2, len(remotes))
		}
	}
}
