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

// wantsDocument tells whether a browser is about to show the answer as a page.
// Sec-Fetch-Dest says so; where it is absent (older browsers, and pages of
// plain-text origins other than loopback) the habits of browsers and libraries do.
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

// isHTML: only text/html, and only if it is to be shown.
func isHTML(h http.Header) bool {
	kind, parameters, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || kind != "text/html" {
		return false
	}
	// The tag is ASCII; these are no supersets of it.
	charset := strings.ToLower(parameters["charset"])
	if strings.HasPrefix(charset, "utf-16") || strings.HasPrefix(charset, "utf-32") ||
		strings.HasPrefix(charset, "utf-7") {
		return false
	}
	disposition, _, _ := mime.ParseMediaType(h.Get("Content-Disposition"))
	return disposition != "attachment"
}

// hasWholeBody tells whether the body is the document, all of it.
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

// plain opens up the body's encoding; false: it has to stay as it is.
func plain(res *http.Response) bool {
	switch strings.ToLower(strings.Join(res.Header.Values("Content-Encoding"), ",")) {
	case "", "identity":
		return true
	case "gzip", "x-gzip":
		// Identity was asked for: a file that was compressed before, mostly.
		res.Body = &gunzipped{body: res.Body}
		res.Header.Del("Content-Encoding")
		return true
	default:
		return false
	}
}

// gunzipped reads the header at the first read, since it may be long in coming.
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

// change puts the script element into a document.
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

// admitClient changes the policies of a page, those too that only report, and
// returns the nonce for the script element.
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

// A document with the script element is another one than the app's, byte for
// byte, so that its ETag is weak and another one as well.
const (
	markStrong = "+relevo"
	markWeak   = "+relevo-weak"
)

func mark(tag string) string {
	weak := strings.HasPrefix(tag, "W/")
	opaque, ok := strings.CutSuffix(strings.TrimPrefix(tag, "W/"), `"`)
	switch {
	case !ok || !strings.HasPrefix(opaque, `"`):
		return "" // none, or not one that could be marked
	case weak:
		return "W/" + opaque + markWeak + `"`
	default:
		return "W/" + opaque + markStrong + `"`
	}
}

var marked = lazyregexp.New(`W/("[^"]*)\+relevo(-weak)?"`)

// unmark gives the app its own tags back.
func unmark(list string) string {
	return marked.ReplaceAllStringFunc(list, func(tag string) string {
		part := marked.FindStringSubmatch(tag)
		if part[2] != "" {
			return "W/" + part[1] + `"`
		}
		return part[1] + `"`
	})
}
