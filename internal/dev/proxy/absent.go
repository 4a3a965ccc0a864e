package proxy

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
)

//go:embed absent.html
var absentText string

// absentPage is shown instead of an app that does not answer.
type absentPage struct {
	Title, Reason, Client, Stamp, Nonce string
	Failure                             *failureView
}

// failed answers a request for which the app gave no answer.
func (p *Proxy) failed(w http.ResponseWriter, r *http.Request, err error) {
	e := errandOf(r.Context())
	silent := errors.Is(context.Cause(r.Context()), errSilent)
	if r.Context().Err() != nil && !silent {
		// The client has disconnected, or the proxy ends.
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	var absent absence
	waiting := silent || errors.As(err, &absent)
	status, title := http.StatusBadGateway, "The app broke off"
	reason := fmt.Sprintf("The app at %s took the request and did not answer it: %v", p.options.Target, err)
	if waiting {
		status, title = http.StatusServiceUnavailable, "Waiting for the app"
		reason = fmt.Sprintf("The app at %s does not answer: %v", p.options.Target, err)
		if silent {
			reason = fmt.Sprintf("The app at %s has not answered yet", p.options.Target)
		}
		w.Header().Set("Retry-After", "1")
	}
	w.Header().Set("Cache-Control", "no-store")
	p.options.Log.Warn("no answer for the browser", "method", r.Method, "path", r.URL.Path, "err", err)
	if !e.document {
		http.Error(w, "relevo: "+reason, status)
		return
	}
	p.serveAbsent(w, status, absentPage{Title: title, Reason: reason, Stamp: e.stamp}, waiting && e.page)
}

// serveAbsent writes the page. If it is waiting, its script carries a stamp and asks again by
// itself; otherwise it waits for Reload.
func (p *Proxy) serveAbsent(w http.ResponseWriter, status int, page absentPage, waiting bool) {
	now, _ := p.board.look()
	page.Failure, page.Client, page.Nonce = now.Failure, clientPath, rand.Text()
	if waiting {
		page.Stamp += ".waiting"
	}
	if page.Failure != nil {
		page.Title = page.Failure.Title
	}
	parsed := template.Must(template.New("absent").Parse(absentText))
	var body bytes.Buffer
	if err := parsed.Execute(&body, page); err != nil {
		http.Error(w, fmt.Sprintf("internal error: cannot write the page: %v", err), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", fmt.Sprintf(
		"default-src 'none'; script-src 'nonce-%[1]s'; style-src 'nonce-%[1]s'; connect-src 'self'; "+
			"base-uri 'none'; form-action 'none'", page.Nonce))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}
