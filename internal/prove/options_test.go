package prove

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestWrongOptions(t *testing.T) {
	for text, o := range map[string]Options{
		"give http://HOST":      {},
		"names no host":         {URL: "localhost:80"},
		"names no socket":       {URL: "unix:"},
		"bad port":              {URL: "http://127.0.0.1:99999/"},
		"unknown connections":   {URL: "http://127.0.0.1/", Connections: "some"},
		"is no status class":    {URL: "http://127.0.0.1/", Expect: 200},
		"is negative":           {URL: "http://127.0.0.1/", Pause: -1},
		"cannot kill workers":   {URL: "http://127.0.0.1/", Kill: true},
		"cannot roll":           {URL: "http://127.0.0.1/", Rolls: 1},
		"cannot make a request": {URL: "http://127.0.0.1/", Method: "GET /"},
		"does not list":         {URL: "http://127.0.0.1/", Target: fakeTarget{err: errors.New("busy")}},
		"none of its 1 workers": {URL: "http://127.0.0.1/", Target: fakeTarget{workers: []Worker{{State: "starting"}}}},
	} {
		_, err := Run(t.Context(), o)
		if err == nil || !strings.HasPrefix(err.Error(), "cannot ") || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: error %v, want %q", o, err, text)
		}
	}
}

// fakeTarget has no processes.
type fakeTarget struct {
	workers []Worker
	err     error
	roll    func(context.Context) (Roll, error)
}

func (f fakeTarget) Workers(context.Context) ([]Worker, error)                    { return f.workers, f.err }
func (f fakeTarget) Roll(ctx context.Context) (Roll, error)                       { return f.roll(ctx) }
func (f fakeTarget) Signal(_ context.Context, _ string, sig syscall.Signal) error { return f.err }

func TestNobodyAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String() + "/"
	l.Close()
	_, err = Run(t.Context(), Options{URL: url})
	if err == nil || !strings.Contains(err.Error(), url) || !errors.Is(err, syscall.ECONNREFUSED) ||
		!strings.Contains(err.Error(), "start the app") {
		t.Errorf("error %v", err)
	}
}

func TestEndpointParse(t *testing.T) {
	for text, want := range map[string]string{
		"http://example.com":            "tcp example.com 80  /",
		"http://example.com:81/a?b=c":   "tcp example.com 81  /a?b=c",
		"https://[::1]/x":               "tcp ::1 443  /x",
		"unix:/run/app.sock":            "unix localhost 0 /run/app.sock /",
		"unix:/run/app.sock:/a/b?c=d:/": "unix localhost 0 /run/app.sock /a/b?c=d:/",
		"unix:@name:/a":                 "unix localhost 0 @name /a",
	} {
		e, err := newEndpoint(Options{URL: text, Method: "GET", Connections: Fresh})
		if err != nil {
			t.Error(err)
			continue
		}
		_, target, _ := bytes.Cut(e.request[Fresh], []byte(" "))
		target, _, _ = bytes.Cut(target, []byte(" "))
		if got := fmt.Sprint(e.network, " ", e.host, " ", e.port, " ", e.path, " ", string(target)); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// TestRequest reads back what the options make of a request.
func TestRequest(t *testing.T) {
	e, err := newEndpoint(Options{URL: "http://127.0.0.1:80/a", Method: "POST", Body: []byte("body"), Connections: Both,
		Headers: http.Header{"host": {"example.com"}, "x-Y": {"1", "2"}, "User-Agent": {"me"}}})
	if err != nil {
		t.Fatal(err)
	}
	for mode, text := range e.request {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text)))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(r.Body)
		if r.Host != "example.com" || string(body) != "body" || r.UserAgent() != "me" || len(r.Header["X-Y"]) != 2 ||
			r.Close != (mode == Fresh) {
			t.Errorf("%s request: %q", mode, text)
		}
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "ok")
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // the server would log the client that refuses its certificate
	s.StartTLS()
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	short := Options{URL: s.URL, Clients: 2, Pause: time.Millisecond, Duration: 100 * time.Millisecond}
	insecure, known := short, short
	insecure.Insecure, known.CA = true, pool
	for _, o := range []Options{insecure, known} {
		if r := prove(t, o); r.Lost() > 0 {
			t.Errorf("lost: %+v %+v", r.Total.Lost, r.Samples)
		}
	}
	var unknown x509.UnknownAuthorityError
	if _, err := Run(t.Context(), short); !errors.As(err, &unknown) {
		t.Errorf("error with an unknown certificate: %v", err)
	}
}

func TestHead(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
	}))
	defer s.Close()
	r := prove(t, Options{URL: s.URL, Method: "HEAD", Clients: 1, Duration: 50 * time.Millisecond})
	if r.Lost() > 0 || r.KeepAlive.Connections != 1 {
		t.Errorf("lost %+v, connections %d", r.Total.Lost, r.KeepAlive.Connections)
	}
}

// TestHostName: a host name is resolved once for the whole run, to the address that answers.
func TestHostName(t *testing.T) {
	s := newRawServer(t, "tcp", func(s *rawServer, c net.Conn, n int64) bool { return send(c, plain) })
	_, port, _ := net.SplitHostPort(s.Addr().String())
	r := prove(t, Options{URL: "http://localhost:" + port, Clients: 1, Duration: 50 * time.Millisecond})
	if r.Lost() > 0 {
		t.Errorf("lost: %+v", r.Total.Lost)
	}
}

func TestCancelEndsHangingRequests(t *testing.T) {
	var hanging atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := newRawServer(t, "tcp", func(s *rawServer, c net.Conn, n int64) bool {
		if hanging.Add(1) == 4 {
			cancel()
		}
		<-s.done
		return false
	})
	start := time.Now()
	r, err := Run(ctx, Options{URL: s.url(), Clients: 2, Timeout: tooLong, Duration: tooLong})
	if !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "cannot finish") {
		t.Errorf("error %v", err)
	}
	if took := time.Since(start); took > tooLong/2 {
		t.Errorf("ended after %v", took)
	}
	if r.Total.Sent != 0 || r.Started.IsZero() {
		t.Errorf("requests that were cut short are reported: %+v", r.Total)
	}
}

func TestFailedRolls(t *testing.T) {
	t.Parallel()
	s := newRawServer(t, "tcp", func(s *rawServer, c net.Conn, n int64) bool { return send(c, plain) })
	var n int
	target := fakeTarget{workers: []Worker{{State: Serving}}, roll: func(context.Context) (Roll, error) {
		n++
		switch n {
		case 1:
			return Roll{Replaced: 1, Reason: "canary died"}, nil
		case 2:
			return Roll{}, errors.New("master is busy")
		}
		return Roll{Replaced: 4, OK: true}, nil
	}}
	var heard []Roll
	var last Progress
	progress := func(p Progress) {
		last = p
		if p.Roll != nil {
			heard = append(heard, *p.Roll)
		}
	}
	r := prove(t, Options{URL: s.url(), Clients: 1, Pause: time.Millisecond, Target: target, Rolls: 3,
		Progress: progress})
	if fmt.Sprint(*r.Rolls) != "{1 2 5 [canary died master is busy]}" {
		t.Errorf("rolls: %+v", *r.Rolls)
	}
	if len(heard) != 3 || heard[1].Reason != "master is busy" || !heard[2].OK {
		t.Errorf("heard of rolls: %+v", heard)
	}
	if last.Sent != r.Total.Sent || last.OK != r.Total.OK || last.Rolls != 1 || last.FailedRolls != 2 {
		t.Errorf("last progress: %+v", last)
	}
}

// TestAnswered: Answered is called once, during the load, and never if no request is answered.
func TestAnswered(t *testing.T) {
	for answers, then := range map[bool]reply{
		true:  func(_ *rawServer, c net.Conn, _ int64) bool { return send(c, plain) },
		false: func(*rawServer, net.Conn, int64) bool { return false },
	} {
		s := newRawServer(t, "tcp", then)
		ctx, cancel := context.WithTimeout(context.Background(), tooLong)
		defer cancel()
		calls := 0
		o := Options{URL: s.url(), Clients: 1, Duration: tooLong, Answered: func() { calls++; cancel() }}
		if !answers {
			o.Duration = 100 * time.Millisecond
		}
		r, err := Run(ctx, o)
		if answers != (calls == 1) || answers != (err != nil) || answers != (r.Total.OK > 0) {
			t.Errorf("called %d times, %d requests answered, %v", calls, r.Total.OK, err)
		}
	}
}
