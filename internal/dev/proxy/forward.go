package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httputil"
	"time"
)

// documentPatience is how long a document waits for a listener.
const documentPatience = time.Second

// silence is how long a document waits for an answer.
type silence struct {
	start  time.Duration // for the first answer of all: an open socket may have no worker yet
	broken time.Duration // while there is a failure
}

// errand is one request.
type errand struct {
	document bool // a browser will show the answer
	page     bool // it may be answered by a page of the proxy: a document that is safe to request again
	http2    bool // the client speaks HTTP/2
	marked   bool // its ETags name documents with our element
	stamp    string
	heard    chan struct{} // closed when the answer's header arrives
}

type errandKey struct{}

func errandOf(ctx context.Context) *errand {
	if e, ok := ctx.Value(errandKey{}).(*errand); ok {
		return e
	}
	return &errand{}
}

var errSilent = errors.New("no answer")

func (p *Proxy) forward(w http.ResponseWriter, r *http.Request) {
	ctx, giveUp := context.WithCancelCause(r.Context())
	defer giveUp(nil)
	now, _ := p.board.look()
	e := &errand{
		document: wantsDocument(r),
		http2:    r.ProtoMajor == 2,
		marked:   marked.MatchString(r.Header.Get("If-None-Match")),
		stamp:    now.stamp() + "." + r.Method,
		heard:    make(chan struct{}),
	}
	e.page = e.document && (r.Method == http.MethodGet || r.Method == http.MethodHead)
	if e.page {
		go p.lookAfter(ctx, e, giveUp)
	}
	if r.ProtoMajor == 1 {
		// The app may answer while it reads. Without this, the server would read the rest of the
		// request first.
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	p.reverse.ServeHTTP(w, r.WithContext(context.WithValue(ctx, errandKey{}, e)))
}

// lookAfter gives up on an unanswered document if probably no worker will answer. It waits for
// pages that are only slow.
func (p *Proxy) lookAfter(ctx context.Context, e *errand, giveUp context.CancelCauseFunc) {
	began := time.Now()
	most := p.options.silence
	tick := time.NewTicker(most.start / 3)
	defer tick.Stop()
	for {
		select {
		case <-e.heard:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, _ := p.board.look()
		waited := time.Since(began)
		if waited >= most.start && !p.heard.Load() || waited >= most.broken && now.Failure != nil {
			giveUp(errSilent)
			return
		}
	}
}

func (p *Proxy) reverseProxy() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		Transport:      p,
		FlushInterval:  -1, // flush whatever the app has written
		ModifyResponse: p.answered,
		ErrorHandler:   p.failed,
		ErrorLog:       slog.NewLogLogger(p.options.Log.Handler(), slog.LevelDebug),
	}
}

// rewrite addresses the request to the app and leaves the rest unchanged: the browser's Host,
// headers of an outer proxy, and the query, which ReverseProxy would normalise.
func (p *Proxy) rewrite(r *httputil.ProxyRequest) {
	r.Out.URL.Scheme, r.Out.URL.Host = "http", "app"
	if p.network == "tcp" {
		r.Out.URL.Host = p.address
	}
	r.Out.Host = r.In.Host
	r.Out.URL.RawQuery = r.In.URL.RawQuery
	r.Out.URL.ForceQuery = r.In.URL.ForceQuery
	r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
	r.SetXForwarded()
	for _, name := range []string{"Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if said, ok := r.In.Header[name]; ok {
			r.Out.Header[name] = said
		}
	}
	if len(r.In.Trailer) > 0 && r.Out.Body != nil {
		r.Out.Body = trailing{r.Out.Body, r.In.Trailer, r.Out.Trailer}
	}
	if errandOf(r.Out.Context()).document {
		r.Out.Header.Set("Accept-Encoding", "identity")
	}
	for _, name := range []string{"If-None-Match", "If-Match", "If-Range"} {
		if list := r.Out.Header.Get(name); list != "" {
			r.Out.Header.Set(name, unmark(list))
		}
	}
}

// trailing copies trailers: they arrive after the body, but ReverseProxy reads them before it.
type trailing struct {
	io.ReadCloser
	from, to http.Header
}

func (t trailing) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if err == io.EOF {
		maps.Copy(t.to, t.from)
	}
	return n, err
}

// answered sees every answer of the app before it is passed on.
func (p *Proxy) answered(res *http.Response) error {
	p.heard.Store(true)
	e := errandOf(res.Request.Context())
	close(e.heard)
	if e.document && res.StatusCode == http.StatusNotModified {
		// The browser has cached the changed document, and applies these headers to it.
		admitClient(res.Header, res.Request.Host)
		if tag := mark(res.Header.Get("Etag")); e.marked && tag != "" {
			res.Header.Set("Etag", tag)
		}
		return nil
	}
	if !isHTML(res.Header) || res.StatusCode == http.StatusSwitchingProtocols {
		return nil
	}
	// The browser's cache must keep the document with the element apart from the page that a script
	// fetches.
	res.Header.Add("Vary", "Sec-Fetch-Dest")
	if e.document && hasWholeBody(res) && plain(res) {
		change(res, e.stamp)
	}
	return nil
}
