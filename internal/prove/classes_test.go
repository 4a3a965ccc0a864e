package prove

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestClasses(t *testing.T) {
	t.Parallel()
	ok := func(Figures) int64 { return 0 }
	tests := []struct {
		name string
		then reply
		want func(Figures) int64 // the class that all lost requests have
		text string              // in the sample
	}{
		{"well", func(s *rawServer, c net.Conn, n int64) bool { return send(c, plain) }, ok, ""},
		{"503", func(s *rawServer, c net.Conn, n int64) bool {
			return send(c, "HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n")
		}, func(f Figures) int64 { return f.Lost.Status5xx }, "status 503"},
		{"hang", func(s *rawServer, c net.Conn, n int64) bool {
			<-s.done
			return false
		}, func(f Figures) int64 { return f.Lost.Timeout }, "timeout"},
		{"half a body", func(s *rawServer, c net.Conn, n int64) bool {
			send(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
			return false
		}, func(f Figures) int64 { return f.Lost.EOF }, "within the answer"},
		{"half a chunked body", func(s *rawServer, c net.Conn, n int64) bool {
			send(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
			return false
		}, func(f Figures) int64 { return f.Lost.EOF }, "within the answer"},
		{"no answer", func(s *rawServer, c net.Conn, n int64) bool {
			return false
		}, func(f Figures) int64 { return f.Lost.EOF }, "without an answer"},
		{"reset", func(s *rawServer, c net.Conn, n int64) bool {
			_ = c.(*net.TCPConn).SetLinger(0)
			return false
		}, func(f Figures) int64 { return f.Lost.Reset }, "connection reset"},
		{"reset within a body", func(s *rawServer, c net.Conn, n int64) bool {
			send(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
			_ = c.(*net.TCPConn).SetLinger(0)
			return false
		}, func(f Figures) int64 { return f.Lost.Reset }, "connection reset"},
		{"no HTTP", func(s *rawServer, c net.Conn, n int64) bool {
			send(c, "SSH-2.0-what are you doing here\r\n\r\n")
			return false
		}, func(f Figures) int64 { return f.Lost.Other }, "malformed answer"},
		{"close announced", func(s *rawServer, c net.Conn, n int64) bool {
			send(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
			return false
		}, ok, ""},
		{"close instead of a length", func(s *rawServer, c net.Conn, n int64) bool {
			send(c, "HTTP/1.1 200 OK\r\n\r\nok")
			return false
		}, ok, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newRawServer(t, "tcp", test.then)
			o := Options{URL: s.url(), Clients: 2, Pause: time.Millisecond, Duration: 100 * time.Millisecond}
			if test.name == "hang" {
				o.Timeout = 50 * time.Millisecond
			}
			r := prove(t, o)
			for _, f := range []*Figures{r.Fresh, r.KeepAlive} {
				if lost := f.Lost.Total(); test.want(*f) != lost || lost > 0 != (test.text != "") {
					t.Errorf("lost by class: %+v", f.Lost)
				}
			}
			if test.text != "" && !strings.Contains(r.Samples[0].Error, test.text) {
				t.Errorf("error is %q, want %q", r.Samples[0].Error, test.text)
			}
			// Every request arrived once: none was sent again. A short timeout may end one before
			// it arrives.
			if n := s.requests.Load() - 1; n > r.Total.Sent || n < r.Total.Sent && o.Timeout == 0 {
				t.Errorf("%d requests arrived, %d were reported", n, r.Total.Sent)
			}
		})
	}
}

// TestNoRetryOnReusedConnection: net/http's client would retry such a request, and so hide its
// loss.
func TestNoRetryOnReusedConnection(t *testing.T) {
	var served atomic.Int64
	s := newRawServer(t, "tcp", func(s *rawServer, c net.Conn, n int64) bool {
		return n%2 == 1 && served.Add(1) > 0 && send(c, plain)
	})
	r := prove(t, Options{URL: s.url(), Clients: 1, Connections: KeepAlive, Duration: 100 * time.Millisecond})
	if r.Total.Lost.EOF != r.Total.Lost.Total() || r.Total.OK != served.Load() || s.requests.Load()-1 != r.Total.Sent {
		t.Errorf("server answered %d of %d: %+v", served.Load(), s.requests.Load()-1, r.Total)
	}
	if diff := r.Total.OK - r.Total.Lost.EOF; diff < -1 || diff > 1 {
		t.Errorf("every second request was lost, but: %+v", r.Total)
	}
}

// TestTrailingBytes: an answer that is longer than its Content-Length is reported, even if the
// connection is closed next.
func TestTrailingBytes(t *testing.T) {
	s := newRawServer(t, "tcp", func(s *rawServer, c net.Conn, n int64) bool { return send(c, plain+"!") })
	r := prove(t, Options{URL: s.url(), Clients: 1, Duration: 50 * time.Millisecond})
	if f := r.KeepAlive; f.OK > 0 || f.Lost.Other != f.Sent || r.Fresh.Lost.Total() > 0 {
		t.Errorf("keepalive %+v, fresh %+v", f.Lost, r.Fresh.Lost)
	}
}

func TestExpect(t *testing.T) {
	for _, test := range []struct {
		expect, status     int
		lost5xx, lostOther bool
	}{
		{0, 404, false, false}, {0, 500, true, false}, {2, 204, false, false},
		{2, 404, false, true}, {2, 502, true, false}, {5, 503, false, false}, {5, 200, false, true},
	} {
		text := fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", test.status)
		s := newRawServer(t, "tcp", func(s *rawServer, c net.Conn, n int64) bool { return send(c, text) })
		r := prove(t, Options{URL: s.url(), Clients: 1, Pause: time.Millisecond, Expect: test.expect,
			Duration: 20 * time.Millisecond})
		if l := r.Total.Lost; l.Status5xx > 0 != test.lost5xx || l.Other > 0 != test.lostOther ||
			l.Total() != l.Status5xx+l.Other {
			t.Errorf("expect %d, status %d: %+v", test.expect, test.status, l)
		}
	}
}

// TestEarlyAnswer: a server may answer and close before it has read the body.
func TestEarlyAnswer(t *testing.T) {
	for name, size := range map[string]int{"inline": 15 << 10, "large": 8 << 20} {
		t.Run(name, func(t *testing.T) {
			s := newRawServer(t, "tcp", func(s *rawServer, c net.Conn, n int64) bool {
				send(c, "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
				return false
			})
			r := prove(t, Options{URL: s.url(), Clients: 2, Pause: time.Millisecond, Duration: 100 * time.Millisecond,
				Method: "POST", Body: bytes.Repeat([]byte("x"), size)})
			if r.Lost() > 0 {
				t.Errorf("lost: %+v %+v", r.Total.Lost, r.Samples)
			}
		})
	}
}

// TestEarlyAnswerWithoutClose: the server answers, but neither reads nor closes.
func TestEarlyAnswerWithoutClose(t *testing.T) {
	s := newRawServer(t, "tcp", func(s *rawServer, c net.Conn, n int64) bool {
		send(c, plain)
		<-s.done
		return false
	})
	r := prove(t, Options{URL: s.url(), Clients: 2, Pause: 2 * time.Millisecond, Duration: 100 * time.Millisecond,
		Method: "POST", Body: make([]byte, 16<<20)})
	if r.Lost() > 0 || r.KeepAlive.Connections != r.KeepAlive.Sent {
		t.Errorf("lost %d, %d connections for %d requests", r.Lost(), r.KeepAlive.Connections, r.KeepAlive.Sent)
	}
}

// moment is a target whose listener is closed for a moment in every roll.
type moment struct {
	*rawServer
	t     *testing.T
	again func() net.Listener
	lost  chan struct{}
}

func (m *moment) Workers(context.Context) ([]Worker, error) {
	return []Worker{{ID: "only", State: Serving}}, nil
}

func (m *moment) Signal(context.Context, string, syscall.Signal) error { return errors.New("no") }

func (m *moment) Roll(ctx context.Context) (Roll, error) {
	m.Close()
	select {
	case <-m.lost:
	case <-ctx.Done():
	}
	l := m.again()
	m.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			m.wg.Go(func() {
				m.serve(c, func(s *rawServer, c net.Conn, n int64) bool { return send(c, plain) })
			})
		}
	})
	m.t.Cleanup(func() { l.Close() })
	return Roll{OK: true, Replaced: 1}, nil
}

func TestSeesClosedListener(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			s := newRawServer(t, network, func(s *rawServer, c net.Conn, n int64) bool { return send(c, plain) })
			m := &moment{rawServer: s, t: t, lost: make(chan struct{}, 1), again: func() net.Listener {
				l, err := net.Listen(network, s.Addr().String())
				if err != nil {
					panic(err)
				}
				return l
			}}
			progress := func(p Progress) {
				if p.Lost > 0 {
					select {
					case m.lost <- struct{}{}:
					default:
					}
				}
			}
			r := prove(t, Options{URL: s.url(), Clients: 2, Pause: 3 * time.Millisecond, Target: m, Rolls: 1,
				Progress: progress})
			if r.Fresh.Lost.Refused == 0 {
				t.Errorf("nothing was refused: %+v", r.Fresh)
			}
			// Connections in the backlog at the close are reset or ended: at most one request of
			// each client.
			if n := r.Total.Lost; n.Total()-n.Refused > 4 || r.Rolls.Done != 1 {
				t.Errorf("lost %+v in %+v", n, *r.Rolls)
			}
		})
	}
}

// TestFullUnixBacklog: connect(2) says EAGAIN, which Go calls a timeout.
func TestFullUnixBacklog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "full.sock")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 1)); err != nil {
		t.Fatal(err)
	}
	e := &endpoint{network: "unix", path: path}
	for range 10 {
		c, _, err := e.dial(t.Context(), time.Now().Add(tooLong), 0)
		if err == nil {
			defer c.Close()
			continue
		}
		if !errors.Is(err, syscall.EAGAIN) || classifyDial("unix", err) != refused {
			t.Errorf("class of %v is %v", err, classifyDial("unix", err))
		}
		return
	}
	t.Error("a backlog of 1 took 10 connections")
}

func TestClassifyDial(t *testing.T) {
	for _, test := range []struct {
		network string
		err     error
		want    class
	}{
		{"tcp", syscall.ECONNREFUSED, refused},
		{"unix", syscall.ENOENT, refused},
		{"tcp", syscall.EHOSTUNREACH, other},
		{"tcp", syscall.ETIMEDOUT, timedOut},
		{"tcp", syscall.ECONNRESET, reset},
		{"tcp", syscall.EADDRNOTAVAIL, localPorts},
		{"tcp", syscall.EADDRINUSE, localPorts},
		{"tcp", syscall.EMFILE, localFiles},
		{"tcp", os.ErrDeadlineExceeded, timedOut},
		{"tcp", context.DeadlineExceeded, timedOut},
	} {
		err := &net.OpError{Op: "dial", Net: test.network, Err: test.err}
		if got := classifyDial(test.network, err); got != test.want {
			t.Errorf("%v: %v, want %v", err, got, test.want)
		}
	}
}
