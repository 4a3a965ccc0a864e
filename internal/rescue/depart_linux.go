package rescue

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/lazyregexp"
)

// Connection is an idle connection on its way to another worker of the same program. What
// the client sends waits in it until Unhold.
type Connection struct {
	Inode         uint64
	Local, Client netip.AddrPort
	File          *os.File // not in the runtime's poller
}

// Depart removes the idle connections from h and returns them: Look, HandOver and Cancel do
// not touch them any more.
func (h *Holding) Depart() (all []*Connection, err error) {
	for inode, c := range h.known {
		if !c.idle {
			continue
		}
		departing, failed := c.depart(inode)
		if failed != nil {
			err = failed
			continue // only a relay can serve it
		}
		all = append(all, departing)
		delete(h.known, inode)
		h.given[inode] = true
	}
	return all, err
}

// depart makes an os.File of the descriptor without a change of its mode (O_NONBLOCK), which
// it shares with the worker. os.NewFile would put a non-blocking socket into the runtime's
// poller, so the File is made of another file, and dup(2) then replaces that by the socket.
func (c *connection) depart(inode uint64) (*Connection, error) {
	local, err := unix.Getsockname(c.fd)
	if err != nil {
		return nil, fmt.Errorf("cannot look at a connection: %w", err)
	}
	client, err := unix.Getpeername(c.fd)
	if err != nil {
		return nil, fmt.Errorf("cannot look at a connection: %w", err)
	}
	placeholder, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot keep a connection: %w", err)
	}
	file := os.NewFile(uintptr(placeholder), "connection")
	if err := unix.Dup3(c.fd, placeholder, unix.O_CLOEXEC); err != nil {
		file.Close()
		return nil, fmt.Errorf("cannot keep a connection: %w", err)
	}
	unix.Close(c.fd)
	return &Connection{Inode: inode, Local: addressOf(local), Client: addressOf(client), File: file}, nil
}

// Kept makes a Connection of a file that an earlier master has kept. The file must not be in
// the runtime's poller.
func Kept(inode uint64, file *os.File) (c *Connection, err error) {
	c = &Connection{Inode: inode, File: file}
	c.control(func(fd int) {
		var local, client unix.Sockaddr
		if local, err = unix.Getsockname(fd); err != nil {
			return
		}
		if client, err = unix.Getpeername(fd); err == nil {
			c.Local, c.Client = addressOf(local), addressOf(client)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("cannot resume a connection: %w", err)
	}
	return c, nil
}

// Return puts a connection into h again, for a relay. A connection whose File is closed is
// left out.
func (h *Holding) Return(c *Connection) {
	defer c.File.Close()
	c.control(func(fd int) {
		if dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err == nil {
			h.known[c.Inode] = &connection{fd: dup, idle: true}
		}
	})
}

// Limit gives the connections of other clients back to the worker.
func (h *Holding) Limit(clients func(client netip.Addr) bool) {
	for inode, c := range h.known {
		if client, err := unix.Getpeername(c.fd); err != nil || !clients(addressOf(client).Addr()) {
			c.close()
			delete(h.known, inode)
		}
	}
}

// Rest gives all connections back to the worker for a while. After that, requests are held
// back for longer, because the worker needs more time for its other connections.
func (h *Holding) Rest() {
	for _, c := range h.known {
		c.unhold()
		c.course.held, c.waits = false, time.Time{}
	}
	h.resumes = time.Now().Add(restFactor * h.patience)
	h.patience = min(2*h.patience, longestPatience)
}

// Insist ends Rest: from now on connections are held as soon as they can be.
func (h *Holding) Insist() { h.resumes, h.patience = time.Time{}, longestPatience }

// Settled returns how many connections were idle at the last look.
func (h *Holding) Settled() (n int) {
	for _, c := range h.known {
		if c.idle {
			n++
		}
	}
	return n
}

// Requests wait for one fifth of the time at most: for the patience, and then the worker has
// its connections back for restFactor times as long.
const (
	restFactor      = 4
	longestPatience = time.Second
)

// Unhold lets the process that now has the connection read it.
func (c *Connection) Unhold() {
	c.control(func(fd int) { unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, 1) })
}

func (c *Connection) control(do func(fd int)) {
	if raw, err := c.File.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { do(int(fd)) })
	}
}

// Next says what a client has sent on a connection.
type Next int

const (
	Nothing Next = iota // nothing, or too little to tell
	Request             // a request of HTTP/1
	Foreign             // anything else
	Ended               // the client has closed the connection
)

// maxRequestLine is the longest request line that is taken for HTTP/1.
const maxRequestLine = 16 << 10

var requestLine = lazyregexp.New(`^[A-Z-]+ [^ \r\n]+ HTTP/1\.[01]\r?\n`)

// Next says what the client has sent, without reading it.
func (c *Connection) Next() (next Next) {
	c.control(func(fd int) { next = peek(fd) })
	return next
}

func peek(fd int) Next {
	head := make([]byte, maxRequestLine)
	n, _, err := unix.Recvfrom(fd, head, unix.MSG_PEEK|unix.MSG_DONTWAIT)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return Nothing
	case err != nil || n == 0:
		return Ended
	case requestLine.Match(head[:n]):
		return Request
	case beginsLikeRequest(head[:n]) && n < maxRequestLine && bytes.IndexByte(head[:n], '\n') < 0:
		return Nothing
	}
	return Foreign
}
