package worker

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// net/http's HTTP/2 ends a connection by one GOAWAY that names the last stream it
// has seen. Streams that the client opened in the meantime are dropped, and only
// clients that can send a request twice recover. RFC 9113 §6.8 has the cure: an
// earlier GOAWAY that names the highest possible stream, so that the client opens
// no more streams but loses none. This file adds that frame between the frames
// that net/http writes.
//
// To see those frames under TLS as well, connections take the way that net/http
// has for HTTP/2 without TLS: a function in Server.TLSNextProto that is given a
// plain net.Conn inside a *tls.Conn. Where a future net/http lacks it, nothing is
// hooked and responses carry "Connection: close", net/http's own way to a GOAWAY.

// The keys of http.Server.TLSNextProto.
const (
	protoTLS       = "h2"
	protoCleartext = "unencrypted_http2"
)

// http2Grace is the longest time that an idle HTTP/2 connection is left alone
// after its GOAWAY. It covers a round trip, so that streams arrive that the client
// opened before it read the GOAWAY.
const http2Grace = time.Second

// preface is what an HTTP/2 client sends first, RFC 9113 §3.4.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// goAway is a GOAWAY frame with the last stream 2^31-1 and NO_ERROR.
const goAway = "\x00\x00\x08\x07\x00\x00\x00\x00\x00\x7f\xff\xff\xff\x00\x00\x00\x00"

// hookHTTP2 puts an http2Conn under each HTTP/2 connection and reports whether
// it could. It must run after net/http has filled TLSNextProto and before the
// first connection.
func hookHTTP2(srv *http.Server, conns *conns) bool {
	serve, ok := srv.TLSNextProto[protoCleartext]
	if !ok {
		return false
	}
	srv.TLSNextProto[protoCleartext] = func(srv *http.Server, carrier *tls.Conn, h http.Handler) {
		if inner, ok := carrier.NetConn().(interface{ UnencryptedNetConn() net.Conn }); ok {
			carrier = carry(newHTTP2Conn(inner.UnencryptedNetConn(), conns, ""))
		}
		serve(srv, carrier, h)
	}
	if _, ok := srv.TLSNextProto[protoTLS]; ok {
		srv.TLSNextProto[protoTLS] = func(srv *http.Server, t *tls.Conn, h http.Handler) {
			serve(srv, carry(&http2TLSConn{newHTTP2Conn(t, conns, preface), t}), h)
		}
	}
	return true
}

// carrier hides a connection in a *tls.Conn, as net/http itself does.
type carrier struct{ net.Conn }

func (c carrier) UnencryptedNetConn() net.Conn { return c.Conn }

func carry(c net.Conn) *tls.Conn { return tls.Client(carrier{c}, nil) }

// http2Conn knows where in the server's output a frame ends.
type http2Conn struct {
	net.Conn
	c *conn // nil for a connection that is not tracked

	preface string // still to be read and dropped: the server expects it gone

	mu     sync.Mutex // held for a write
	frames frameCursor
	goAway stage
	told   atomic.Bool // the GOAWAY is written
}

// http2TLSConn adds what makes it TLS to the server.
type http2TLSConn struct {
	*http2Conn
	tls *tls.Conn
}

func (h *http2TLSConn) ConnectionState() tls.ConnectionState { return h.tls.ConnectionState() }

// stage of a thing to be done once.
type stage int

const (
	notYet  stage = iota
	pending       // as soon as a frame has ended
	done
)

func newHTTP2Conn(nc net.Conn, conns *conns, preface string) *http2Conn {
	h := &http2Conn{Conn: nc, c: conns.find(nc), preface: preface}
	if h.c != nil {
		h.c.http2.Store(h)
	}
	if conns.draining.Load() { // after the store, so that drain or this sees it
		h.goAway = pending
	}
	return h
}

func (h *http2Conn) tracked() *conn { return h.c }
func (h *http2Conn) bare() net.Conn { return bare(h.Conn) }

func (h *http2Conn) Read(p []byte) (int, error) {
	if h.preface != "" {
		got := make([]byte, len(h.preface))
		if _, err := io.ReadFull(h.Conn, got); err != nil {
			return 0, err
		}
		if string(got) != h.preface {
			return 0, errors.New("the client sent no HTTP/2 preface")
		}
		h.preface = ""
	}
	return h.Conn.Read(p)
}

func (h *http2Conn) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, err := h.Conn.Write(p)
	h.frames.advance(p[:n])
	if err == nil {
		err = h.addGoAwayLocked()
	}
	return n, err
}

// sayGoAway asks the client to open no more streams.
func (h *http2Conn) sayGoAway() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.goAway == notYet {
		h.goAway = pending
	}
	_ = h.addGoAwayLocked() // the server meets the same error at its next write
}

func (h *http2Conn) addGoAwayLocked() error {
	if h.goAway != pending || !h.frames.between() {
		return nil
	}
	h.goAway = done
	if _, err := io.WriteString(h.Conn, goAway); err != nil {
		return err
	}
	if h.c != nil {
		h.c.touch()
	}
	h.told.Store(true)
	return nil
}

// frameCursor follows a stream of HTTP/2 frames, RFC 9113 §4.1.
type frameCursor struct {
	head   [9]byte
	got    int  // bytes of head
	left   int  // payload bytes to come
	began  bool // a frame was seen; the first must be the server's SETTINGS
	header bool // within a header block, which no other frame may interrupt
}

// between reports whether another frame may be put here.
func (f *frameCursor) between() bool {
	return f.began && f.got == 0 && f.left == 0 && !f.header
}

func (f *frameCursor) advance(p []byte) {
	for len(p) > 0 {
		if f.left > 0 {
			n := min(f.left, len(p))
			f.left -= n
			p = p[n:]
			continue
		}
		n := copy(f.head[f.got:], p)
		f.got += n
		p = p[n:]
		if f.got == len(f.head) {
			f.begin()
		}
	}
}

func (f *frameCursor) begin() {
	const headers, pushPromise, continuation, endHeaders = 0x1, 0x5, 0x9, 0x4
	f.got = 0
	f.began = true
	f.left = int(f.head[0])<<16 | int(f.head[1])<<8 | int(f.head[2])
	switch f.head[3] {
	case headers, pushPromise, continuation:
		f.header = f.head[4]&endHeaders == 0
	}
}
