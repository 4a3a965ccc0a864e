package proxy

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

const html1 = "<!doctype html><html><head><title>x</title></head><body>y</body></html>"

func gzipped(text string) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return out.Bytes()
}

// fixed answers every request with the same headers, status and body.
func fixed(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Add(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// TestWhatGetsTheElement: only complete documents get the element.
func TestWhatGetsTheElement(t *testing.T) {
	const kind = "Content-Type"
	for name, c := range map[string]struct {
		app     http.HandlerFunc
		headers []string
		want    bool
	}{
		"document":          {fixed(200, html1, kind, "text/html; charset=utf-8"), nil, true},
		"not found":         {fixed(404, html1, kind, "text/html"), nil, true},
		"server error":      {fixed(500, html1, kind, "text/html"), nil, true},
		"gzip all the same": {fixed(200, string(gzipped(html1)), kind, "text/html", "Content-Encoding", "gzip"), nil, true},
		"frame":             {fixed(200, html1, kind, "text/html"), []string{"Sec-Fetch-Dest", "iframe"}, true},
		"no fetch metadata": {fixed(200, html1, kind, "text/html"), []string{"Sec-Fetch-Dest", ""}, true},
		"fetch":             {fixed(200, html1, kind, "text/html"), []string{"Sec-Fetch-Dest", "empty"}, false},
		"jquery": {fixed(200, html1, kind, "text/html"), []string{"Sec-Fetch-Dest", "", "X-Requested-With",
			"XMLHttpRequest"}, false},
		"htmx": {fixed(200, html1, kind, "text/html"), []string{"Sec-Fetch-Dest", "", "HX-Request", "true"},
			false},
		"curl":       {fixed(200, html1, kind, "text/html"), []string{"Sec-Fetch-Dest", "", "Accept", "*/*"}, false},
		"plain text": {fixed(200, html1, kind, "text/plain"), nil, false},
		"svg":        {fixed(200, html1, kind, "image/svg+xml"), nil, false},
		"xhtml":      {fixed(200, html1, kind, "application/xhtml+xml"), nil, false},
		"download": {fixed(200, html1, kind, "text/html", "Content-Disposition", `attachment; filename="a.html"`),
			nil, false},
		"utf-16":              {fixed(200, html1, kind, "text/html; charset=UTF-16LE"), nil, false},
		"brotli":              {fixed(200, html1, kind, "text/html", "Content-Encoding", "br"), nil, false},
		"zstd":                {fixed(200, html1, kind, "text/html", "Content-Encoding", "zstd"), nil, false},
		"two encodings":       {fixed(200, html1, kind, "text/html", "Content-Encoding", "gzip, br"), nil, false},
		"part":                {fixed(206, html1, kind, "text/html", "Content-Range", "bytes 0-70/90"), nil, false},
		"part, not saying so": {fixed(206, html1, kind, "text/html"), nil, false},
		"json by odd heading": {fixed(200, html1, kind, "text/html-ish"), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := proxied(t, c.app)
			headers := []string{"Sec-Fetch-Dest", "document", "Accept", "text/html"}
			for i := 0; i < len(c.headers); i += 2 {
				headers = replaceHeader(headers, c.headers[i], c.headers[i+1])
			}
			got := text(t, ask(t, "GET", p.URL(), "", headers...))
			direct := text(t, ask(t, "GET", "http://"+p.address, "", headers...))
			want := direct
			if c.want {
				want = strings.Replace(html1, "<head>", "<head>"+tagOf(p, ""), 1)
			}
			if got != want {
				t.Errorf("got %q\nwant %q", got, want)
			}
		})
	}
}

func replaceHeader(headers []string, name, value string) []string {
	var out []string
	for i := 0; i < len(headers); i += 2 {
		if headers[i] != name {
			out = append(out, headers[i], headers[i+1])
		}
	}
	if value != "" {
		out = append(out, name, value)
	}
	return out
}

func TestHeadersOfDocuments(t *testing.T) {
	asked := make(chan http.Header, 2)
	p := proxied(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Header
		fixed(200, html1, "Content-Type", "text/html", "Content-Length", fmt.Sprint(len(html1)), "Etag", `"v1"`,
			"Accept-Ranges", "bytes",
			"Content-Digest", "sha-256=:x:", "Cache-Control", "max-age=60", "Last-Modified", "Tue, 24 Nov 2026 00:00:00 GMT",
			"Vary", "Cookie")(w, r)
	})
	res := page(t, p.URL(), "If-None-Match", `W/"v0+relevo", "other", W/"v1+relevo-weak"`)
	if got := (<-asked); got.Get("If-None-Match") != `"v0", "other", W/"v1"` || got.Get("Accept-Encoding") != "identity" {
		t.Errorf("the app was asked with %v", got)
	}
	text(t, res)
	for name, want := range map[string]string{
		"Content-Length": "", "Etag": `W/"v1+relevo"`, "Accept-Ranges": "", "Content-Digest": "",
		"Cache-Control": "max-age=60",
		"Last-Modified": "Tue, 24 Nov 2026 00:00:00 GMT", "Vary": "Cookie,Sec-Fetch-Dest",
	} {
		if got := strings.Join(res.Header.Values(name), ","); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	// Answers that are no documents keep everything.
	res = ask(t, "GET", p.URL(), "", "Sec-Fetch-Dest", "empty", "Accept-Encoding", "br")
	if got := (<-asked); got.Get("Accept-Encoding") != "br" {
		t.Errorf("the app was asked with %v", got)
	}
	if text(t, res) != html1 || res.ContentLength != int64(len(html1)) || res.Header.Get("Etag") != `"v1"` ||
		res.Header.Get("Accept-Ranges") != "bytes" {
		t.Errorf("a fetched page came as %v", res.Header)
	}
}

func TestNotModified(t *testing.T) {
	p := proxied(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"v1"`)
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		w.WriteHeader(http.StatusNotModified)
	})
	res := page(t, p.URL(), "If-None-Match", `W/"v1+relevo"`)
	if res.StatusCode != 304 || res.Header.Get("Etag") != `W/"v1+relevo"` ||
		!strings.Contains(res.Header.Get("Content-Security-Policy"), reserved) {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	if res = ask(t, "GET", p.URL(), "", "Sec-Fetch-Dest", "style", "If-None-Match",
		`"v1"`); res.Header.Get("Etag") != `"v1"` {
		t.Errorf("a stylesheet came as %v", res.Header)
	}
}

func TestHeadHasNoBody(t *testing.T) {
	p := proxied(t, fixed(200, html1, "Content-Type", "text/html", "Etag", `"a"`))
	res := ask(t, "HEAD", p.URL(), "", "Sec-Fetch-Dest", "document")
	if text(t, res) != "" || res.Header.Get("Etag") != `"a"` || res.ContentLength != int64(len(html1)) {
		t.Errorf("%v", res.Header)
	}
}

// TestStreamedDocument: each piece arrives before the next is written, with gzip too.
func TestStreamedDocument(t *testing.T) {
	for _, encoding := range []string{"", "gzip"} {
		next := make(chan struct{})
		p := proxied(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			var out io.Writer = w
			flush := func() error { return nil }
			if encoding != "" {
				w.Header().Set("Content-Encoding", encoding)
				compressor := gzip.NewWriter(w)
				out, flush = compressor, compressor.Flush
			}
			for _, piece := range []string{"<html><head><title>", "</title></head><body>", "one", "two"} {
				_, _ = io.WriteString(out, piece)
				_ = flush()
				_ = http.NewResponseController(w).Flush()
				<-next
			}
			if compressor, ok := out.(*gzip.Writer); ok {
				_ = compressor.Close()
			}
		})
		res := page(t, p.URL())
		for _, want := range []string{"<html><head>" + tagOf(p, "") + "<title>", "</title></head><body>", "one", "two"} {
			got := make([]byte, len(want))
			if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != want {
				t.Fatalf("%q and %v, want %q", got, err, want)
			}
			next <- struct{}{}
		}
		if rest := text(t, res); rest != "" {
			t.Errorf("%q is left", rest)
		}
	}
}

// TestSlowDownload: pieces arrive at once even if the length is known.
func TestSlowDownload(t *testing.T) {
	next := make(chan struct{})
	p := proxied(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "6")
		for _, piece := range []string{"one", "two"} {
			_, _ = io.WriteString(w, piece)
			_ = http.NewResponseController(w).Flush()
			<-next
		}
	})
	res := ask(t, "GET", p.URL(), "")
	for _, want := range []string{"one", "two"} {
		got := make([]byte, 3)
		if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != want {
			t.Fatalf("%q, %v", got, err)
		}
		next <- struct{}{}
	}
}

func TestServerSentEvents(t *testing.T) {
	gone := make(chan struct{})
	next := make(chan int)
	p := proxied(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range next {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
		close(gone)
	})
	go func() { next <- 0 }()
	res := ask(t, "GET", p.URL(), "", "Accept", "text/event-stream")
	lines := bufio.NewReader(res.Body)
	for i := range 3 {
		if line, err := lines.ReadString('\n'); err != nil || line != fmt.Sprintf("data: %d\n", i) {
			t.Fatalf("%q, %v", line, err)
		}
		_, _ = lines.ReadString('\n')
		if i < 2 {
			next <- i + 1
		}
	}
	close(next)
	res.Body.Close() // the page disconnects, and the app notices
	<-gone
}

func TestRanges(t *testing.T) {
	content := strings.Repeat("0123456789", 1000)
	p := proxied(t, func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "a.html", time.Unix(1e9, 0), strings.NewReader(content))
	})
	for _, destination := range []string{"video", "document"} {
		res := ask(t, "GET", p.URL(), "", "Range", "bytes=10-19", "Sec-Fetch-Dest", destination)
		if got := text(t, res); res.StatusCode != 206 || got != "0123456789" ||
			res.Header.Get("Content-Range") != "bytes 10-19/10000" {
			t.Errorf("%s: %d %q %v", destination, res.StatusCode, got, res.Header)
		}
	}
}

func TestTrailersAndInformational(t *testing.T) {
	p := proxied(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Link", "</app.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Trailer", "X-Sum")
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "%s%s", html1, body)
		w.Header().Set("X-Sum", "of "+r.Trailer.Get("X-Sent"))
		w.Header().Set(http.TrailerPrefix+"X-Late", "too")
	})
	var hints []string
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		hints = append(hints, fmt.Sprint(code, " ", h.Get("Link")))
		return nil
	}}
	r, _ := http.NewRequestWithContext(httptrace.WithClientTrace(context.Background(), trace), "POST", p.URL(),
		io.NopCloser(strings.NewReader("sent")))
	r.Trailer = http.Header{"X-Sent": {"client"}}
	r.Header.Set("Sec-Fetch-Dest", "document")
	res, err := client(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	want := strings.Replace(html1, "<head>", "<head>"+strings.Replace(tagOf(p, ""), ".GET", ".POST", 1), 1) + "sent"
	if got := text(t, res); got != want {
		t.Errorf("got %q", got)
	}
	if res.Trailer.Get("X-Sum") != "of client" || res.Trailer.Get("X-Late") != "too" {
		t.Errorf("trailers: %v", res.Trailer)
	}
	if fmt.Sprint(hints) != "[103 </app.css>; rel=preload]" {
		t.Errorf("hints: %v", hints)
	}
}
