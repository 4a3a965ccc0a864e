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

const (
	// documentPatience is how long a document waits for somebody who listens.
	documentPatience = time.Second
	// silentStart is how long a document waits for the first answer ever: a
	// socket that is open already need not have a worker behind it.
	silentStart = 3 * time.Second
	// silentBroken is how long it waits while something is known to be broken.
	silentBroken = 5 * time.Second
)

// errand is one request on its way.
type errand struct {
	document bool // a browser is about to show the answer
	page     bool // it may be given a page of ours: a document, and safe to ask for again
	http2    bool // the client speaks it
	marked   bool // it names a version of a document with our element
	stamp    string
	heard    chan struct{} // closed by the answer's header
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
		// An app may answer while it reads; without this the server would first
		// take in the rest of the request.
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	p.reverse.ServeHTTP(w, r.WithContext(context.WithValue(ctx, errandKey{}, e)))
}

// lookAfter gives up on a document that nobody answers, if there is reason to
// believe that nobody will. A page that is merely slow is waited for.
func (p *Proxy) lookAfter(ctx context.Context, e *errand, giveUp context.CancelCauseFunc) {
	began := time.Now()
	tick := time.NewTicker(silentStart / 3)
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
		if waited >= silentStart && !p.heard.Load() || waited >= silentBroken && now.Failure != nil {
			giveUp(errSilent)
			return
		}
	}
}

func (p *Proxy) reverseProxy() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		Transport:      p,
		FlushInterval:  -1, // what the app has written is what the page gets
		ModifyResponse: p.answered,
		ErrorHandler:   p.failed,
		ErrorLog:       slog.NewLogLogger(p.options.Log.Handler(), slog.LevelDebug),
	}
}

// rewrite addresses the request to the app and leaves the rest as it came: the
// host that the browser asked for, what an outer proxy has said, and the query,
// which ReverseProxy would tidy up.
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

// trailing carries trailers over: their values are there when the body has ended,
// and ReverseProxy copies them when it begins.
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

// answered gets every answer of the app before it is passed on.
func (p *Proxy) answered(res *http.Response) error {
	p.heard.Store(true)
	e := errandOf(res.Request.Context())
	close(e.heard)
	if e.document && res.StatusCode == http.StatusNotModified {
		// The browser keeps the changed document, and takes these headers for it.
		admitClient(res.Header, res.Request.Host)
		if tag := mark(res.Header.Get("Etag")); e.marked && tag != "" {
			res.Header.Set("Etag", tag)
		}
		return nil
	}
	if !isHTML(res.Header) || res.StatusCode == http.StatusSwitchingProtocols {
		return nil
	}
	// A script that fetches a page must not get the browser's copy with the
	// element in it, nor the other way round.
	res.Header.Add("Vary", "Sec-Fetch-Dest")
	if e.document && hasWholeBody(res) && plain(res) {
		change(res, e.stamp)
	}
	return nil
}
