package worker

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"relevo/internal/ipc"
	"relevo/internal/workertest"
)

func TestSlowRequestIsFinished(t *testing.T) {
	t.Parallel()
	m := workertest.NewMaster(t)
	w := m.Start(spec("serve")).WaitReady()
	c := call(t, m.Addr)
	c.send("GET /slow?d=500ms HTTP/1.1\r\nHost: test\r\n\r\n")
	until(t, w, says("slow begun"))
	w.Signal(syscall.SIGTERM)
	until(t, w, isDraining)
	// Its header was written before the drain, so the connection is kept and can be used again.
	if page, _ := c.answer(); page != fmt.Sprint("pid ", w.PID) {
		t.Errorf("got %q", page)
	}
	if page, last := c.get("/"); page != fmt.Sprint("pid ", w.PID) || !last {
		t.Errorf("got %q, last %v; want an answer that closes", page, last)
	}
	until(t, w, isDrained)
	if err := w.Wait(); err != nil {
		t.Error(err, w.Output())
	}
}

func TestUploadIsFinished(t *testing.T) {
	t.Parallel()
	m := workertest.NewMaster(t)
	w := m.Start(spec("serve")).WaitReady()
	c := call(t, m.Addr)
	const size = 32 << 20
	c.send(fmt.Sprintf("POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n", size))
	until(t, w, says("upload begun"))
	w.Send(ipc.Drain{DeadlineMS: tooLong.Milliseconds()})
	until(t, w, isDraining)
	if _, err := c.conn.Write(bytes.Repeat([]byte("u"), size)); err != nil {
		t.Fatal(err)
	}
	if page, _ := c.answer(); page != fmt.Sprint(size, " <nil>") {
		t.Errorf("got %q", page)
	}
	c.conn.Close()
	if err := w.Wait(); err != nil {
		t.Error(err, w.Output())
	}
}

func TestSiblingServesOn(t *testing.T) {
	t.Parallel()
	m := workertest.NewMaster(t)
	a, b := m.Start(spec("serve")).WaitReady(), m.Start(spec("serve")).WaitReady()
	a.Signal(syscall.SIGTERM)
	if err := a.Wait(); err != nil {
		t.Error(err, a.Output())
	}
	for range 20 {
		if page, last := call(t, m.Addr).get("/"); page != fmt.Sprint("pid ", b.PID) || last {
			t.Errorf("got %q, last %v", page, last)
		}
	}
}

// An event stream may end when the worker drains; one that does not look is
// ended shortly before the deadline, and still properly.
func TestEventStreamsEnd(t *testing.T) {
	t.Parallel()
	for path, bye := range map[string]string{"/events": "data: bye\n\n", "/stream": "data: cancelled\n\n"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			m := workertest.NewMaster(t)
			const deadline = 3 * time.Second
			drain := deadline
			if path == "/events" {
				drain = time.Hour // it ends long before
			}
			w := m.Start(spec("serve", "DRAIN="+drain.String())).WaitReady()
			c := call(t, m.Addr)
			c.send("GET " + path + " HTTP/1.1\r\nHost: test\r\n\r\n")
			resp := c.head()
			if _, err := io.ReadFull(resp.Body, make([]byte, len("data: begun\n\n"))); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			w.Signal(syscall.SIGTERM)
			rest, err := io.ReadAll(resp.Body)
			if err != nil || string(rest) != bye {
				t.Errorf("the stream ended with %q, %v", rest, err)
			}
			if took := time.Since(began); path == "/stream" && took < deadline/2 {
				t.Errorf("it ended after %v", took)
			}
			if path == "/events" {
				c.conn.Close()
			} else if err := c.closed(); !errors.Is(err, io.EOF) {
				t.Errorf("the connection ended with %v", err)
			}
			if err := w.Wait(); err != nil {
				t.Error(err, w.Output())
			}
		})
	}
}

func TestHijackedConnections(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/hijack", "/hijack-polite"} {
		for _, proto := range []string{"", "tls"} {
			t.Run(path+proto, func(t *testing.T) {
				t.Parallel()
				m := workertest.NewMaster(t)
				w := m.Start(spec("serve", "DRAIN=5s", "PROTO="+proto)).WaitReady()
				c := call(t, m.Addr)
				if proto == "tls" {
					c.encrypt()
				}
				c.send("GET " + path + " HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: lines\r\n\r\n")
				if resp := c.head(); resp.StatusCode != http.StatusSwitchingProtocols {
					t.Fatal(resp.Status)
				}
				w.Signal(syscall.SIGTERM)
				until(t, w, func(m ipc.Message) bool {
					d, ok := m.(ipc.Draining)
					return ok && (d.Open == 1 || path == "/hijack-polite") // which may be gone already
				})
				if path == "/hijack-polite" {
					if got := c.line(); got != "bye\n" {
						t.Errorf("got %q", got)
					}
				} else {
					c.send("still there?\n")
					if got := c.line(); got != "still there?\n" {
						t.Errorf("got %q", got)
					}
				}
				if err := c.closed(); !errors.Is(err, io.EOF) {
					t.Errorf("the connection ended with %v", err)
				}
				until(t, w, isDrained)
				if err := w.Wait(); err != nil {
					t.Error(err, w.Output())
				}
			})
		}
	}
}

func TestDeadlineEndsAStuckRequest(t *testing.T) {
	t.Parallel()
	m := workertest.NewMaster(t)
	w := m.Start(spec("serve")).WaitReady()
	c := call(t, m.Addr)
	c.send("GET /stuck HTTP/1.1\r\nHost: test\r\n\r\nx") // the x shows that the request was read
	until(t, w, says("stuck begun"))
	began := time.Now()
	w.Send(ipc.Drain{DeadlineMS: 700})
	err := w.Wait()
	if took := time.Since(began); err == nil || !strings.Contains(w.Output(), ErrDeadline.Error()) ||
		took < 600*time.Millisecond || took > tooLong/4 {
		t.Errorf("ended after %v with %v\n%s", took, err, w.Output())
	}
	if err := c.closed(); err == nil {
		t.Error("the connection is still open")
	}
}

func TestSecondSignalForces(t *testing.T) {
	for _, first := range []string{"signal", "message"} {
		t.Run(first, func(t *testing.T) {
			m := workertest.NewMaster(t)
			w := m.Start(spec("serve")).WaitReady()
			c := call(t, m.Addr)
			c.send("GET /stuck HTTP/1.1\r\nHost: test\r\n\r\n")
			until(t, w, says("stuck begun"))
			if first == "message" {
				// A drain message and one signal are one request to drain.
				w.Send(ipc.Drain{DeadlineMS: tooLong.Milliseconds()})
				until(t, w, isDraining)
			}
			w.Signal(syscall.SIGTERM)
			if first == "signal" {
				until(t, w, isDraining)
			} else {
				c2 := call(t, m.Addr) // some time, in which nothing must happen
				defer c2.conn.Close()
				select {
				case <-w.Exited():
					t.Fatal("one signal forced the drain")
				case <-time.After(100 * time.Millisecond):
				}
			}
			w.Signal(syscall.SIGINT)
			if err := w.Wait(); err == nil || !strings.Contains(w.Output(), ErrForced.Error()) {
				t.Errorf("ended with %v\n%s", err, w.Output())
			}
		})
	}
}

// Idle connections, and those that never sent anything, are closed after the grace. One that goes
// on asking is answered until it has got Connection: close.
func TestIdleConnectionsAreClosedAfterTheGrace(t *testing.T) {
	for _, proto := range []string{"", "tls"} {
		t.Run("plain"+proto, func(t *testing.T) {
			const grace = 500 * time.Millisecond
			m := workertest.NewMaster(t)
			w := m.Start(spec("serve", "GRACE="+grace.String(), "PROTO="+proto)).WaitReady()
			idle, silent, late := call(t, m.Addr), call(t, m.Addr), call(t, m.Addr)
			if proto == "tls" {
				for _, c := range []*caller{idle, silent, late} {
					c.encrypt()
				}
			}
			idle.get("/")
			late.get("/")
			w.Signal(syscall.SIGTERM)
			until(t, w, isDraining)
			began := time.Now()
			if page, last := late.get("/"); page == "" || !last {
				t.Errorf("got %q, last %v", page, last)
			}
			for name, c := range map[string]*caller{"idle": idle, "silent": silent} {
				err := c.closed()
				if took := time.Since(began); !errors.Is(err, io.EOF) || took < grace/2 {
					t.Errorf("%s connection ended after %v with %v", name, took, err)
				}
			}
			if err := w.Wait(); err != nil {
				t.Error(err, w.Output())
			}
			if took := time.Since(began); took > tooLong/4 {
				t.Errorf("the drain took %v", took)
			}
		})
	}
}

// A request whose header has begun to arrive is a request.
func TestHalfARequestIsNotIdle(t *testing.T) {
	t.Parallel()
	m := workertest.NewMaster(t)
	w := m.Start(spec("serve", "GRACE=100ms")).WaitReady()
	used, fresh := call(t, m.Addr), call(t, m.Addr)
	used.get("/")
	for _, c := range []*caller{used, fresh} {
		c.send("GET / HTTP/1.1\r\n")
	}
	idle := call(t, m.Addr)
	idle.get("/")
	w.Signal(syscall.SIGTERM)
	if err := idle.closed(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	for _, c := range []*caller{used, fresh} {
		c.send("Host: test\r\n\r\n")
		if page, last := c.answer(); page == "" || !last {
			t.Errorf("got %q, last %v", page, last)
		}
	}
	if err := w.Wait(); err != nil {
		t.Error(err, w.Output())
	}
}

func TestMasterGoneIsNotTheEnd(t *testing.T) {
	t.Parallel()
	m := workertest.NewMaster(t)
	w := m.Start(spec("serve", "GRACE=50ms")).WaitReady()
	w.Hangup()
	for range 3 {
		if page, last := call(t, m.Addr).get("/slow?d=100ms"); page == "" || last {
			t.Errorf("got %q, last %v", page, last)
		}
	}
	w.Signal(syscall.SIGTERM)
	if err := w.Wait(); err != nil {
		t.Error(err, w.Output())
	}
}

func TestSharedListenerStaysNonBlocking(t *testing.T) {
	m := workertest.NewMaster(t)
	file := workertest.Dup(t, m.Listener)
	defer file.Close()
	check := func(when string) {
		t.Helper()
		raw, err := file.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) {
			flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_GETFL, 0)
			if errno != 0 || flags&syscall.O_NONBLOCK == 0 {
				t.Errorf("%s: the flags are %#x, %v", when, flags, errno)
			}
		})
	}
	check("before")
	w := m.Start(spec("serve")).WaitReady()
	check("after start")
	call(t, m.Addr).get("/")
	w.Signal(syscall.SIGTERM)
	until(t, w, isDraining)
	check("while draining")
	w.Signal(syscall.SIGTERM)
	_ = w.Wait()
	check("after drain")
}

// One worker's shutdown(2) closes the socket for all. The master revives it by listen(2), and the
// workers must have waited for that.
func TestWorkerOutlivesAShutDownListener(t *testing.T) {
	m := workertest.NewMaster(t)
	w := m.Start(spec("serve")).WaitReady()
	raw, err := m.Listener.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) { err = syscall.Shutdown(int(fd), syscall.SHUT_RDWR) })
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return strings.Contains(w.Output(), "Accept error") })
	// The port was bound as 0, so reviving the socket gives it another.
	_ = raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 128) })
	if err != nil {
		t.Fatal(err)
	}
	var name syscall.Sockaddr
	_ = raw.Control(func(fd uintptr) { name, err = syscall.Getsockname(int(fd)) })
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	if page, _ := call(t, addr).get("/"); page != fmt.Sprint("pid ", w.PID) {
		t.Errorf("got %q", page)
	}
}
