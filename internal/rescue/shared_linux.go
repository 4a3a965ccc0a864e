package rescue

import (
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// dropPatience is how long clients' data is dropped if the worker lives on: the clients wait
// longer each time before they send it again.
const dropPatience = 300 * time.Millisecond

// sharedConn is a connection that the worker also has, as long as it lives. Until then its
// mode (O_NONBLOCK) must not be changed, because the worker shares it, and the kernel does
// not report what arrives.
type sharedConn struct {
	fd            int
	worker        *worker
	local, remote net.Addr
	early         []byte // read by newSharedConn; the first reads get it

	mu       sync.Mutex
	deadline time.Time // of reads
	taken    bool      // what the client sends is not dropped any more
	own      net.Conn  // nil as long as the worker lives
}

// newSharedConn reads what is in the socket, so that the worker cannot.
func newSharedConn(fd int, w *worker) *sharedConn {
	c := &sharedConn{fd: fd, worker: w, local: &net.TCPAddr{}, remote: &net.TCPAddr{}}
	if unread, err := unix.IoctlGetInt(fd, unix.SIOCINQ); err == nil && unread > 0 {
		early := make([]byte, unread)
		if n, _, err := unix.Recvfrom(fd, early, unix.MSG_DONTWAIT); err == nil {
			c.early = early[:n]
		}
	}
	if name, err := unix.Getsockname(fd); err == nil {
		c.local = net.TCPAddrFromAddrPort(addressOf(name))
	}
	if name, err := unix.Getpeername(fd); err == nil {
		c.remote = net.TCPAddrFromAddrPort(addressOf(name))
	}
	return c
}

func (c *sharedConn) LocalAddr() net.Addr  { return c.local }
func (c *sharedConn) RemoteAddr() net.Addr { return c.remote }

func (c *sharedConn) Read(b []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(b, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	for {
		own, err := c.owned()
		if err != nil {
			return 0, err
		}
		if own != nil {
			return own.Read(b)
		}
		n, _, err := unix.Recvfrom(c.fd, b, unix.MSG_DONTWAIT)
		switch {
		case err == nil && n == 0 && len(b) > 0:
			return 0, io.EOF
		case err == nil:
			return n, nil
		case err != unix.EAGAIN && err != unix.EINTR:
			return 0, os.NewSyscallError("recvfrom", err)
		case c.isLate():
			return 0, os.ErrDeadlineExceeded
		}
		time.Sleep(c.worker.glance)
	}
}

func (c *sharedConn) Write(b []byte) (written int, err error) {
	for written < len(b) {
		own, err := c.owned()
		if err != nil {
			return written, err
		}
		if own != nil {
			n, err := own.Write(b[written:])
			return written + n, err
		}
		n, err := unix.SendmsgN(c.fd, b[written:], nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		switch {
		case err == nil:
			written += n
		case err == unix.EAGAIN:
			time.Sleep(c.worker.glance)
		case err != unix.EINTR:
			return written, os.NewSyscallError("sendmsg", err)
		}
	}
	return written, nil
}

// owned returns the connection for ordinary use, nil as long as the worker lives.
func (c *sharedConn) owned() (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.own != nil:
		return c.own, nil
	case c.fd < 0:
		return nil, net.ErrClosed
	case !c.worker.gone.Load():
		if !c.taken && time.Since(c.worker.began) > dropPatience {
			c.taken = true
			takeData(c.fd)
		}
		return nil, nil
	}
	unhold(c.fd)
	unix.SetNonblock(c.fd, true)
	fd, err := unix.FcntlInt(uintptr(c.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	file := os.NewFile(uintptr(fd), "connection")
	defer file.Close()
	if c.own, err = net.FileConn(file); err != nil {
		return nil, err
	}
	return c.own, c.own.SetReadDeadline(c.deadline)
}

func (c *sharedConn) isLate() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.deadline.IsZero() && time.Now().After(c.deadline)
}

func (c *sharedConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	if c.own != nil {
		return c.own.SetReadDeadline(t)
	}
	return nil
}

func (c *sharedConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline does nothing: a write to a client that does not read ends with the
// kernel's own time limit.
func (c *sharedConn) SetWriteDeadline(time.Time) error { return nil }

// CloseWrite closes the direction to the client.
func (c *sharedConn) CloseWrite() error { return unix.Shutdown(c.fd, unix.SHUT_WR) }

func (c *sharedConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 {
		return net.ErrClosed
	}
	if c.own != nil {
		c.own.Close()
	}
	fd := c.fd
	c.fd = -1
	return unix.Close(fd)
}
