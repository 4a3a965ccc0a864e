package proxy

import (
	"compress/gzip"
	"crypto/rand"
	"fmt"
	"html"
	"io"
	"mime"
	"net/http"
	"strings"

	"relevo/internal/lazyregexp"
)

// wantsDocument says whether a browser will show the answer as a page. Sec-Fetch-Dest says so. If
// it is absent (older browsers, and pages over plain HTTP that are not from loopback), the usual
// headers of browsers and libraries decide.
func wantsDocument(r *http.Request) bool {
	if destination := r.Header.Get("Sec-Fetch-Dest"); destination != "" {
		return destination == "document" || destination == "iframe" || destination == "frame"
	}
	for _, name := range []string{"X-Requested-With", "Hx-Request", "Turbo-Frame", "Upgrade"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// isHTML says whether the answer is text/html and meant to be shown.
func isHTML(h http.Header) bool {
	kind, parameters, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || kind != "text/html" {
		return false
	}
	// The element is ASCII; documents in these charsets are not supersets of it.
	charset := strings.ToLower(parameters["charset"])
	if strings.HasPrefix(charset, "utf-16") || strings.HasPrefix(charset, "utf-32") ||
		strings.HasPrefix(charset, "utf-7") {
		return false
	}
	disposition, _, _ := mime.ParseMediaType(h.Get("Content-Disposition"))
	return disposition != "attachment"
}

// hasWholeBody says whether the body is the complete document.
func hasWholeBody(res *http.Response) bool {
	if res.Request.Method == http.MethodHead || res.Header.Get("Content-Range") != "" {
		return false
	}
	switch res.StatusCode {
	case http.StatusNoContent, http.StatusResetContent, http.StatusPartialContent, http.StatusNotModified:
		return false
	}
	return res.StatusCode >= 200
}

// plain decompresses the body; false: the encoding is unknown, and the body stays as it is.
func plain(res *http.Response) bool {
	switch strings.ToLower(strings.Join(res.Header.Values("Content-Encoding"), ",")) {
	case "", "identity":
		return true
	case "gzip", "x-gzip":
		// The proxy asked for no compression. The app probably serves a file that was compressed in
		// advance.
		res.Body = &gunzipped{body: res.Body}
		res.Header.Del("Content-Encoding")
		return true
	default:
		return false
	}
}

// gunzipped reads the gzip header only at the first read, because it may arrive late.
type gunzipped struct {
	body   io.ReadCloser
	stream *gzip.Reader
}

func (g *gunzipped) Read(p []byte) (n int, err error) {
	if g.stream == nil {
		if g.stream, err = gzip.NewReader(g.body); err != nil {
			return 0, err
		}
	}
	return g.stream.Read(p)
}

func (g *gunzipped) Close() error { return g.body.Close() }

// change adds the script element to a document.
func change(res *http.Response, stamp string) {
	nonce := admitClient(res.Header, res.Request.Host)
	res.Body = inject(res.Body, element(stamp, nonce))
	res.ContentLength = -1
	res.Header.Set("Etag", mark(res.Header.Get("Etag")))
	for _, name := range []string{"Content-Length", "Accept-Ranges", "Content-Md5", "Digest", "Content-Digest",
		"Repr-Digest"} {
		res.Header.Del(name)
	}
	if res.Header.Get("Etag") == "" {
		res.Header.Del("Etag")
	}
}

func element(stamp, nonce string) string {
	if nonce != "" {
		nonce = ` nonce="` + html.EscapeString(nonce) + `"`
	}
	return fmt.Sprintf(`<script async src="%s" data-relevo="%s"%s></script>`, clientPath, html.EscapeString(stamp), nonce)
}

// admitClient extends the policies of a page, report-only ones included, and returns the nonce for
// the script element.
func admitClient(h http.Header, host string) string {
	const enforced, reported = "Content-Security-Policy", "Content-Security-Policy-Report-Only"
	enforce, report := parsePolicies(h.Values(enforced)), parsePolicies(h.Values(reported))
	all := append(append(policies{}, enforce...), report...)
	if len(all) == 0 {
		return ""
	}
	nonce := all.nonce()
	if nonce == "" && all.strictDynamic() {
		nonce = rand.Text()
	}
	for name, some := range map[string]policies{enforced: enforce, reported: report} {
		if len(some) > 0 {
			some.admit(pathSource(host), nonce)
			h[name] = some.lines()
		}
	}
	return nonce
}

// A document with the script element differs from the app's. So its ETag differs too, and is weak.
const (
	markStrong = "+relevo"
	markWeak   = "+relevo-weak"
)

func mark(tag string) string {
	weak := strings.HasPrefix(tag, "W/")
	opaque, ok := strings.CutSuffix(strings.TrimPrefix(tag, "W/"), `"`)
	switch {
	case !ok || !strings.HasPrefix(opaque, `"`):
		return "" // there is none, or its form is invalid
	case weak:
		return "W/" + opaque + markWeak + `"`
	default:
		return "W/" + opaque + markStrong + `"`
	}
}

var marked = lazyregexp.New(`W/("[^"]*)\+relevo(-weak)?"`)

// unmark turns our ETags in a list back into the app's.
func unmark(list string) string {
	return marked.ReplaceAllStringFunc(list, func(tag string) string {
		part := marked.FindStringSubmatch(tag)
		if part[2] != "" {
			return "W/" + part[1] + `"`
		}
		return part[1] + `"`
	})
}
