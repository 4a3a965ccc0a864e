package worker

import (
	"errors"
	"net"
	"sync"
	"syscall"
)

// wrapped is a connection that this package handed to net/http.
type wrapped interface {
	tracked() *conn
	bare() net.Conn // what the application's hooks get to see
}

// The wrappers embed the concrete type, so that everything it can do beyond
// net.Conn keeps working: sendfile and splice (ReadFrom, WriteTo), half-close,
// SyscallConn, keep-alive settings.
type (
	tcpConn struct {
		*net.TCPConn
		c *conn
	}
	unixConn struct {
		*net.UnixConn
		c *conn
	}
	otherConn struct {
		net.Conn
		c *conn
	}
)

func wrap(c *conn) net.Conn {
	switch raw := c.raw.(type) {
	case *net.TCPConn:
		return &tcpConn{raw, c}
	case *net.UnixConn:
		return &unixConn{raw, c}
	}
	return &otherConn{c.raw, c}
}

func (w *tcpConn) Read(p []byte) (int, error)   { return w.c.read(p) }
func (w *unixConn) Read(p []byte) (int, error)  { return w.c.read(p) }
func (w *otherConn) Read(p []byte) (int, error) { return w.c.read(p) }

// Close forgets the connection only after the kernel has all of the response.
func (w *tcpConn) Close() error {
	defer w.c.owner.forget(w.c)
	return w.TCPConn.Close()
}

func (w *unixConn) Close() error {
	defer w.c.owner.forget(w.c)
	return w.UnixConn.Close()
}

func (w *otherConn) Close() error {
	defer w.c.owner.forget(w.c)
	return w.Conn.Close()
}

func (w *tcpConn) tracked() *conn   { return w.c }
func (w *unixConn) tracked() *conn  { return w.c }
func (w *otherConn) tracked() *conn { return w.c }

func (w *tcpConn) bare() net.Conn   { return w.TCPConn }
func (w *unixConn) bare() net.Conn  { return w.UnixConn }
func (w *otherConn) bare() net.Conn { return w.Conn }

// bare returns the connection as it was before this package wrapped it, for
// hooks that ask for *net.UnixConn and the like.
func bare(nc net.Conn) net.Conn {
	if w, ok := nc.(wrapped); ok {
		return w.bare()
	}
	return nc
}

// listener tracks what it accepts.
type listener struct {
	net.Listener
	conns     *conns
	managed   bool
	accepting chan struct{} // closed at the first Accept
	once      sync.Once
	closing   chan struct{} // closed before Close
	closed    sync.Once
}

func newListener(ln net.Listener, conns *conns, managed bool) *listener {
	return &listener{Listener: ln, conns: conns, managed: managed,
		accepting: make(chan struct{}), closing: make(chan struct{})}
}

func (l *listener) Accept() (net.Conn, error) {
	l.once.Do(func() { close(l.accepting) })
	nc, err := l.Listener.Accept()
	if err == nil {
		return l.conns.track(nc), nil
	}
	if l.managed && errors.Is(err, syscall.EINVAL) && !isClosed(l.closing) {
		return nil, shutDown{err}
	}
	return nil, err
}

func (l *listener) Close() error {
	var err error
	l.closed.Do(func() {
		close(l.closing)
		err = l.Listener.Close()
	})
	return err
}

// shutDown is the error of a shared listener that another process shut down. The
// master can revive it, so net/http is asked to try again, which it does after
// up to a second.
type shutDown struct{ error }

func (e shutDown) Unwrap() error { return e.error }
func (shutDown) Timeout() bool   { return false }
func (shutDown) Temporary() bool { return true }
