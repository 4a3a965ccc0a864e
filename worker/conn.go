package worker

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// conn is what a drain needs to know of one connection.
//
// While not draining it costs a request one atomic store for each state change
// and one load for each read.
type conn struct {
	owner     *conns
	raw       net.Conn // as accepted
	unwrapped bool     // raw is a *tls.Conn of the program's own TLS listener

	now   atomic.Int32             // http.ConnState
	fed   atomic.Bool              // bytes came since it was new or became idle
	top   atomic.Pointer[tls.Conn] // the TLS on it, where there is
	http2 atomic.Pointer[http2Conn]

	mu       sync.Mutex
	last     time.Time // of activity while draining
	evicting bool      // its reader was told to look a last time and then close
}

func (c *conn) state() http.ConnState { return http.ConnState(c.now.Load()) }

// enter is called by net/http's goroutine of the connection.
func (c *conn) enter(nc net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if t, ok := nc.(*tls.Conn); ok {
			c.top.Store(t)
		}
	case http.StateIdle:
		c.fed.Store(false)
	}
	c.now.Store(int32(state))
	if c.owner.draining.Load() {
		c.touch()
		c.owner.wake()
	}
}

// touch restarts the wait for quiet.
func (c *conn) touch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = time.Now()
}

// quiet reports whether nothing has happened for the grace and no request has
// begun. net/http says "active" only when it has read a whole header, so bytes
// count as a request, except under TLS, where a handshake is bytes too and time
// alone decides.
func (c *conn) quiet(now time.Time, grace time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.quietLocked(now, grace)
}

func (c *conn) quietLocked(now time.Time, grace time.Duration) bool {
	if s := c.state(); s != http.StateNew && s != http.StateIdle {
		return false
	}
	if h := c.http2.Load(); h != nil {
		grace = min(grace, http2Grace)
		if !h.told.Load() {
			return false
		}
	} else if c.fed.Load() && c.top.Load() == nil {
		return false
	}
	last := c.last
	if last.IsZero() {
		c.owner.mu.Lock()
		last = c.owner.began
		c.owner.mu.Unlock()
	}
	return now.Sub(last) >= grace
}

// leftToShutdown reports whether a quiet connection cannot be evicted: HTTP/2 is closed
// by a last GOAWAY, and the reads of an unwrapped connection are not seen.
func (c *conn) leftToShutdown() bool {
	if c.unwrapped || c.http2.Load() != nil {
		return true
	}
	// The handshake is over once a connection has been idle; asking earlier could wait for it.
	t := c.top.Load()
	return t != nil && c.state() == http.StateIdle && t.ConnectionState().NegotiatedProtocol == "h2"
}

// evict tells the goroutine that reads the connection to close it, by a read
// deadline in the past: it alone knows for certain whether a request has begun.
// It is repeated until the connection is gone, because net/http may set a
// deadline of its own in between.
func (c *conn) evict(now time.Time, grace time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.quietLocked(now, grace) {
		c.evicting = true
		_ = c.raw.SetReadDeadline(time.Unix(1, 0))
	}
}

// read is the Read of all wrappers; net/http calls it from one goroutine at a time.
func (c *conn) read(p []byte) (int, error) {
	for {
		n, err := c.raw.Read(p)
		if n > 0 {
			c.feed()
			return n, err
		}
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) || !c.spared() {
			return n, err
		}
	}
}

// feed notes that bytes came. The order of fed and draining matters: either evict
// sees the bytes, or they are noted under its lock.
func (c *conn) feed() {
	if !c.fed.Load() {
		c.fed.Store(true)
	}
	if !c.owner.draining.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = time.Now()
	c.stayLocked()
}

// spared is the last look: bytes that arrived in time save the connection.
func (c *conn) spared() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.evicting || !arrived(c.raw) {
		return false
	}
	c.stayLocked()
	return true
}

func (c *conn) stayLocked() {
	if c.evicting {
		c.evicting = false
		_ = c.raw.SetReadDeadline(time.Time{})
	}
}

func (c *conn) close() {
	_ = c.raw.Close()
	c.owner.forget(c)
}
