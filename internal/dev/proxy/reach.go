package proxy

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"
	"time"
)

// transport opens a new connection for each request; see the package comment.
func (p *Proxy) transport(http2 bool) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	return &http.Transport{
		DialContext:            func(ctx context.Context, _, _ string) (net.Conn, error) { return p.reach(ctx) },
		Protocols:              &protocols,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 10 << 20,
	}
}

// RoundTrip speaks HTTP/2 to the app if both client and app speak it.
func (p *Proxy) RoundTrip(r *http.Request) (*http.Response, error) {
	if errandOf(r.Context()).http2 && p.speaksHTTP2(r.Context()) {
		return p.http2.RoundTrip(r)
	}
	return p.http1.RoundTrip(r)
}

// again is the interval between attempts to connect. An attempt costs some 50 µs.
const again = 20 * time.Millisecond

// reach connects to the app, and waits while nothing listens. Nothing was sent yet, so waiting is
// safe.
func (p *Proxy) reach(ctx context.Context) (net.Conn, error) {
	patience := p.options.Patience
	if errandOf(ctx).page {
		patience = min(patience, documentPatience)
	}
	limit, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(again)
	defer tick.Stop()
	var dialer net.Dialer
	var last error
	for {
		conn, err := dialer.DialContext(limit, p.network, p.address)
		if err == nil {
			return conn, nil
		}
		absent := isAbsent(err)
		if absent || last == nil || !isTimeout(err) {
			last = err // report this reason, not the end of the waiting time
		}
		if !absent {
			return nil, absence{last}
		}
		select {
		case <-tick.C:
		case <-p.ending:
			return nil, absence{last}
		case <-limit.Done():
			return nil, absence{last}
		}
	}
}

// absence means that the app could not be reached, so that nothing was sent to it.
type absence struct{ error }

func (a absence) Unwrap() error { return a.error }

// Error omits the address, because the message around it has it.
func (a absence) Error() string {
	var op *net.OpError
	if errors.As(a.error, &op) {
		return op.Err.Error()
	}
	return a.error.Error()
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// isAbsent says whether the error fits an app that is about to start: no socket, no listener, or a
// full queue (EAGAIN of a Unix socket).
func isAbsent(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) ||
		errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ECONNRESET)
}

// Whether the app speaks HTTP/2.
const (
	unknown int32 = iota
	no
	yes
)

// speaksHTTP2 asks each version of the app once: with prior knowledge, HTTP/2 begins with the
// client's preface and the SETTINGS frames of both sides (RFC 9113, 3.4). An app that does not know
// HTTP/2 sees one bad request.
func (p *Proxy) speaksHTTP2(ctx context.Context) bool {
	known := p.speaks2.Load()
	if known != unknown {
		return known == yes
	}
	conn, err := p.reach(ctx)
	if err != nil {
		return false // the request itself will report the error
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	const settings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+settings); err != nil {
		return false
	}
	answer := make([]byte, len(settings))
	if _, err := io.ReadFull(conn, answer); err != nil {
		if !isTimeout(err) {
			p.speaks2.CompareAndSwap(unknown, no)
		}
		return false
	}
	found := no
	if answer[3] == settings[3] {
		found = yes
	}
	p.speaks2.CompareAndSwap(unknown, found)
	return found == yes
}
