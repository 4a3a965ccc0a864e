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

// Connection is one that its worker is done with, on its way to another worker of the same
// program. What the client sends waits in it until Release.
type Connection struct {
	Inode         uint64
	Local, Client netip.AddrPort
	File          *os.File // outside of the runtime's poller
}

// Depart takes the connections out of h that are idle. Look and HandOver leave them alone
// from then on, and Cancel does not give them back.
func (h *Holding) Depart() (all []*Connection, err error) {
	for inode, c := range h.known {
		if !c.idle {
			continue
		}
		departing, failed := c.depart(inode)
		if failed != nil {
			err = failed
			continue // it is for a relay
		}
		all = append(all, departing)
		delete(h.known, inode)
		h.given[inode] = true
	}
	return all, err
}

// depart puts the descriptor into a File without its mode being changed, which is the
// worker's, too: os.NewFile polls what is non-blocking, so the File is made of something
// else, and the socket put in its place.
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

// Kept is a connection that a master before this one has kept. The file is outside of the
// runtime's poller.
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
		return nil, fmt.Errorf("cannot go on with a connection: %w", err)
	}
	return c, nil
}

// Return puts a connection into h again, for a relay. A File that is closed is none.
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

// Rest gives all connections back to the worker for a while, and has requests wait for
// longer after that: what the worker does takes so long.
func (h *Holding) Rest() {
	for _, c := range h.known {
		c.release()
		c.course.held, c.waits = false, time.Time{}
	}
	h.resumes = time.Now().Add(restFactor * h.patience)
	h.patience = min(2*h.patience, longestPatience)
}

// Insist ends that: connections are held from now on as soon as they can be.
func (h *Holding) Insist() { h.resumes, h.patience = time.Time{}, longestPatience }

// Settled is how many connections were idle at the last look.
func (h *Holding) Settled() (n int) {
	for _, c := range h.known {
		if c.idle {
			n++
		}
	}
	return n
}

// What Rest does to a request that waits is one fifth of its time.
const (
	restFactor      = 4
	longestPatience = time.Second
)

// Release has the process read that has the connection now.
func (c *Connection) Release() {
	c.control(func(fd int) { unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, 1) })
}

func (c *Connection) control(do func(fd int)) {
	if raw, err := c.File.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { do(int(fd)) })
	}
}

// Next is what waits in a connection.
type Next int

const (
	Nothing Next = iota // or the begin of something
	Request             // of HTTP/1
	Foreign             // anything else
	Ended               // the client has closed it
)

// maxRequestLine bounds the request line of what is taken for HTTP/1.
const maxRequestLine = 16 << 10

var requestLine = lazyregexp.New(`^[A-Z-]+ [^ \r\n]+ HTTP/1\.[01]\r?\n`)

// Next looks at what the client has sent, without taking it.
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
