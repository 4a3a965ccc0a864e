package worker

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"relevo/internal/ipc"
	"relevo/internal/workertest"
)

// caller is a client with one connection, so the test knows which worker has it.
type caller struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func call(t *testing.T, addr string) *caller {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(tooLong))
	return &caller{t: t, conn: conn, in: bufio.NewReader(conn)}
}

func (c *caller) send(request string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, request); err != nil {
		c.t.Fatal(err)
	}
}

func (c *caller) head() *http.Response {
	c.t.Helper()
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp
}

func (c *caller) get(path string) (page string, last bool) {
	c.t.Helper()
	c.send("GET " + path + " HTTP/1.1\r\nHost: test\r\n\r\n")
	return c.answer()
}

func (c *caller) answer() (page string, last bool) {
	c.t.Helper()
	resp := c.head()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		c.t.Fatalf("%s, %q, %v", resp.Status, b, err)
	}
	return string(b), resp.Close
}

func (c *caller) line() string {
	c.t.Helper()
	s, err := c.in.ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// closed waits for the server's end of the connection.
func (c *caller) closed() error {
	_, err := c.in.ReadByte()
	return err
}

// until waits for a message that ok accepts.
func until(t *testing.T, w *workertest.Worker, ok func(ipc.Message) bool) {
	t.Helper()
	tooLate := time.After(tooLong)
	for {
		select {
		case m, open := <-w.Messages:
			if !open {
				t.Fatalf("the worker's channel ended\n%s", w.Output())
			}
			if ok(m) {
				return
			}
		case <-tooLate:
			t.Fatalf("the worker does not say it\n%s", w.Output())
		}
	}
}

func isDraining(m ipc.Message) bool { _, ok := m.(ipc.Draining); return ok }
func isDrained(m ipc.Message) bool  { _, ok := m.(ipc.Drained); return ok }

func says(text string) func(ipc.Message) bool {
	return func(m ipc.Message) bool { return m == ipc.Status{Text: text} }
}

// eventually waits for a condition that no event announces.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	tooLate := time.After(tooLong)
	for !ok() {
		select {
		case <-time.After(time.Millisecond):
		case <-tooLate:
			t.Fatal("it does not happen")
		}
	}
}

// encrypt makes the connection a TLS one that speaks HTTP/1.1.
func (c *caller) encrypt() {
	c.t.Helper()
	conn := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
	if err := conn.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	c.conn, c.in = conn, bufio.NewReader(conn)
}
