package prove

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// streamServer serves HTTP/2 in clear by net/http.
func streamServer(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// TestHTTP2: many streams share four connections; headers, method and status are as asked for.
func TestHTTP2(t *testing.T) {
	var wrong atomic.Int64
	s := streamServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 || r.Host != "shop" || r.Header.Get("X-A") != "b" || r.RequestURI != "/path?q=1" {
			wrong.Add(1)
		}
		w.WriteHeader(http.StatusNotFound)
	})
	o := Options{URL: s.URL + "/path?q=1", Connections: HTTP2, Clients: 16, Duration: 50 * time.Millisecond,
		MinRequests: 500,
		Headers:     http.Header{"Host": {"shop"}, "X-A": {"b"}}}
	r := prove(t, o)
	if r.HTTP2 == nil || r.Fresh != nil || r.KeepAlive != nil || r.Lost() != 0 || r.HTTP2.Connections != 4 ||
		r.HTTP2.OK < 500 || wrong.Load() > 0 || !r.Proven() {
		t.Errorf("%d requests arrived changed; %+v", wrong.Load(), r.HTTP2)
	}
	o.Expect, o.MinRequests = 2, 1
	if r := prove(t, o); r.HTTP2.OK != 0 || r.HTTP2.Lost.Other == 0 {
		t.Errorf("a wrong status is lost: %+v", r.HTTP2)
	}
	o.Expect, o.Clients, o.Rate = 0, 0, 500
	if r := prove(t, o); r.HTTP2.OK == 0 || r.Lost() != 0 {
		t.Errorf("by schedule: %+v", r.HTTP2)
	}
}

// TestHTTP2OverTLS: the handshake chooses the protocol; if the server does not support it, the error
// says so.
func TestHTTP2OverTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	o := Options{URL: s.URL, Connections: HTTP2, Clients: 4, Duration: 20 * time.Millisecond, Insecure: true}
	if r := prove(t, o); r.HTTP2.OK == 0 || r.Lost() != 0 {
		t.Errorf("%+v", r.HTTP2)
	}
	old := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	old.Config.ErrorLog = log.New(io.Discard, "", 0)
	old.StartTLS()
	defer old.Close()
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer plain.Close()
	for _, url := range []string{old.URL, plain.URL} {
		o.URL = url
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "does not speak HTTP/2") &&
			!strings.Contains(err.Error(), "no application protocol") {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, how := range []Connections{HTTP2, WebSocket} {
		_, err := Run(t.Context(), Options{URL: plain.URL, Connections: how})
		if err == nil || !strings.HasSuffix(err.Error(), ": correct the URL, or leave --"+string(how)+" out") {
			t.Errorf("a server that runs and does not speak %s: %v", how, err)
		}
	}
}

// TestHTTP2Shutdown: net/http's server ends connections by one GOAWAY, and answers what it has taken:
// nothing is lost while one server after the other takes over.
func TestHTTP2Shutdown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			accepted <- c
		}
	}()
	defer l.Close()
	begin := func() *http.Server {
		s := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(
			func(http.ResponseWriter, *http.Request) { time.Sleep(time.Millisecond) })}
		s.Protocols.SetUnencryptedHTTP2(true)
		own := &sharedListener{Listener: l, accepted: accepted, closed: make(chan struct{})}
		go func() { _ = s.Serve(own) }()
		return s
	}
	now := begin()
	r := prove(t, Options{URL: "http://" + l.Addr().String(), Connections: HTTP2, Clients: 8, Times: 3,
		Every: time.Millisecond, Command: "roll", During: func(ctx context.Context) error {
			old := now
			now = begin()
			return old.Shutdown(ctx)
		}})
	_ = now.Close()
	if r.Lost() != 0 || r.During.Done != 3 || r.HTTP2.Connections <= 4 {
		t.Errorf("%+v %+v %+v", r.HTTP2, r.During, r.Samples)
	}
}

// sharedListener is one server's share of a listener that others use, too.
type sharedListener struct {
	net.Listener
	accepted <-chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func (s *sharedListener) Accept() (net.Conn, error) {
	select {
	case c, ok := <-s.accepted:
		if ok {
			return c, nil
		}
	case <-s.closed:
	}
	return nil, net.ErrClosed
}

func (s *sharedListener) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// TestHTTP2Faults: a server that breaks its promises has lost requests; one that keeps to the
// protocol has not.
func TestHTTP2Faults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		act  func(c net.Conn, f *http2.Framer, id uint32)
		lost func(l Losses) int64 // nil: none
	}{
		"closes without GOAWAY": {func(c net.Conn, _ *http2.Framer, _ uint32) { c.Close() },
			func(l Losses) int64 { return l.EOF + l.Reset }},
		"GOAWAY, then an answer": {func(_ net.Conn, f *http2.Framer, id uint32) {
			_ = f.WriteGoAway(1<<31-1, http2.ErrCodeNo, nil)
			answerStream(f, id)
		}, nil},
		"GOAWAY that refuses": {func(_ net.Conn, f *http2.Framer, id uint32) {
			_ = f.WriteGoAway(id-1, http2.ErrCodeNo, nil)
		}, nil},
		"REFUSED_STREAM": {func(_ net.Conn, f *http2.Framer, id uint32) {
			_ = f.WriteRSTStream(id, http2.ErrCodeRefusedStream)
		}, nil},
		"GOAWAY, and a promised stream dropped": {func(c net.Conn, f *http2.Framer, id uint32) {
			_ = f.WriteGoAway(id, http2.ErrCodeNo, nil)
			c.Close()
		}, func(l Losses) int64 { return l.EOF + l.Reset }},
		"RST_STREAM": {func(_ net.Conn, f *http2.Framer, id uint32) {
			_ = f.WriteRSTStream(id, http2.ErrCodeInternal)
		}, func(l Losses) int64 { return l.Reset }},
		"no answer": {func(net.Conn, *http2.Framer, uint32) {}, func(l Losses) int64 { return l.Timeout }},
	} {
		r := prove(t, Options{URL: "http://" + faultyStreams(t, c.act), Connections: HTTP2, Clients: 8, MinRequests: 40,
			Duration: time.Millisecond, Timeout: patience(name == "no answer")})
		switch lost := r.HTTP2.Lost; {
		case c.lost == nil && lost.Total() > 0:
			t.Errorf("%s: %+v %+v", name, r.HTTP2, r.Samples)
		case c.lost == nil && name != "GOAWAY, then an answer" && r.HTTP2.Unprocessed == 0:
			t.Errorf("%s: nothing counts as unprocessed: %+v", name, r.HTTP2)
		case c.lost != nil && (c.lost(lost) == 0 || c.lost(lost) != lost.Total() || r.Proven()):
			t.Errorf("%s: %+v %+v", name, r.HTTP2, r.Samples)
		}
	}
}

// patience is a timeout: a short one if the test waits for it, otherwise one that even a slow
// machine does not reach.
func patience(reached bool) time.Duration {
	if reached {
		return 300 * time.Millisecond
	}
	return tooLong
}

func answerStream(f *http2.Framer, id uint32) {
	const status200 = "\x88"
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: []byte(status200), EndHeaders: true,
		EndStream: true})
}

// faultyStreams answers its streams, and calls act for every fifth. It answers the first one, so that a
// run begins.
func faultyStreams(t *testing.T, act func(net.Conn, *http2.Framer, uint32)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveFaulty(c, func(f *http2.Framer, id uint32) {
				if n.Add(1)%5 == 0 {
					act(c, f, id)
				} else {
					answerStream(f, id)
				}
			})
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-served
	})
	return l.Addr().String()
}

func serveFaulty(c net.Conn, each func(*http2.Framer, uint32)) {
	defer c.Close()
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := c.Read(preface); err != nil {
		return
	}
	f := http2.NewFramer(c, c)
	_ = f.WriteSettings()
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		if h, ok := frame.(*http2.HeadersFrame); ok {
			each(f, h.StreamID)
		}
	}
}
