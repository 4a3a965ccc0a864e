package h2conn

import (
	"bufio"
	"errors"
	"io"
	"math"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// window is how many bytes a server may send ahead, on a stream and on the whole connection. It
	// is so large that no answer waits for it.
	window = 1 << 30
	// firstStreams is how many streams are open at a time until the server has named its limit.
	firstStreams = 100
	lastStream   = math.MaxInt32
	headerTable  = 4096     // the initial size that RFC 7541 sets
	maxFrame     = 16 << 10 // the longest frame that a peer may send by default
	readBuffer   = 16 << 10
)

// Conn is an HTTP/2 connection. Its methods may be called from several goroutines, except Run.
type Conn struct {
	conn    net.Conn
	timeout time.Duration

	write  sync.Mutex // guards the two below, and keeps streams in the order of their numbers
	framer *http2.Framer
	next   uint32

	mu       sync.Mutex
	streams  map[uint32]*stream
	most     uint32        // streams at a time, as the server has it
	changed  chan struct{} // closed and replaced when a stream has ended or the connection takes none
	awaited  bool          // there may be readers of changed
	none     bool          // no further stream: after a GOAWAY, an error, or Close
	goneAway bool
	sendErr  error
	received int64 // bytes that the server may not know to be consumed; only Run writes it
}

// stream is one request.
type stream struct {
	id       uint32
	answer   Answer
	received int64 // as in Conn
	err      error
	done     chan struct{} // closed when answer or err is final
}

// Answer is what matters of a complete answer.
type Answer struct {
	Status int
	Body   int64 // bytes
}

// New begins HTTP/2 on a connection that has just been opened; with TLS its handshake must be over
// and have chosen "h2". Run must be called. timeout bounds each write.
func New(conn net.Conn, timeout time.Duration) *Conn {
	c := &Conn{conn: conn, timeout: timeout, next: 1, most: firstStreams,
		streams: make(map[uint32]*stream), changed: make(chan struct{})}
	c.framer = http2.NewFramer(conn, bufio.NewReaderSize(conn, readBuffer))
	c.framer.SetMaxReadFrameSize(maxFrame)
	c.framer.SetReuseFrames()
	c.framer.ReadMetaHeaders = hpack.NewDecoder(headerTable, nil)
	_ = c.send(c.begin)
	return c
}

// Run reads until the connection ends, and fails the streams that are then open. It closes the
// connection.
func (c *Conn) Run() {
	c.end(c.readFrames())
	_ = c.conn.Close()
}

// begin sends what a client must send first.
func (c *Conn) begin() error {
	const firstWindow = 65535
	if _, err := io.WriteString(c.conn, http2.ClientPreface); err != nil {
		return err
	}
	err := c.framer.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
	if err != nil {
		return err
	}
	return c.framer.WriteWindowUpdate(0, window-firstWindow)
}

// Takes reports whether the connection takes further streams.
func (c *Conn) Takes() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.none
}

// Close ends the connection, and with it Run and the streams that are open.
func (c *Conn) Close() {
	c.mu.Lock()
	c.refuseLocked()
	c.mu.Unlock()
	_ = c.conn.Close()
}

// send writes frames. After an error the connection takes no further stream, but frames that the
// server had sent before are still read: often one of them is the GOAWAY.
func (c *Conn) send(frames func() error) error {
	c.write.Lock()
	defer c.write.Unlock()
	return c.sendLocked(frames)
}

func (c *Conn) sendLocked(frames func() error) error {
	err := c.conn.SetWriteDeadline(time.Now().Add(c.timeout))
	if err == nil {
		err = frames()
	}
	if err == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sendErr == nil {
		c.sendErr = err
	}
	c.refuseLocked()
	var n net.Error
	if errors.As(err, &n) && n.Timeout() { // a part of a frame may have been sent
		_ = c.conn.Close()
	}
	return err
}

// refuseLocked makes the connection take no further stream.
func (c *Conn) refuseLocked() {
	c.none = true
	c.wakeLocked()
}

// wakeLocked wakes those that wait to open a stream.
func (c *Conn) wakeLocked() {
	if c.awaited {
		close(c.changed)
		c.changed, c.awaited = make(chan struct{}), false
	}
}

// end fails all streams.
func (c *Conn) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.streams {
		c.finishLocked(s, c.closedErrorLocked(s, err))
	}
	c.refuseLocked()
}

// finishLocked gives a stream its result.
func (c *Conn) finishLocked(s *stream, err error) {
	delete(c.streams, s.id)
	s.err = err
	close(s.done)
	c.wakeLocked()
	if c.goneAway && len(c.streams) == 0 {
		_ = c.conn.Close()
	}
}
