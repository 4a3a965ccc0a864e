package ipc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// ErrClosed is returned by Channel.Send after the channel's end, or when the peer does not read any
// more.
var ErrClosed = errors.New("ipc: channel closed")

// ErrFull is returned by Channel.Send when the peer does not read.
var ErrFull = errors.New("ipc: the worker does not read its channel")

// maxQueued bounds the bytes that wait for a peer that does not read. Each line counts lineCost
// more, for the memory that it takes besides its text.
const (
	maxQueued = 4 << 20
	lineCost  = 64
)

// Channel is one end of a worker's socketpair. Sending never blocks: lines wait in a queue, which
// maxQueued bounds. Of State messages only the newest waits.
type Channel struct {
	conn  io.ReadWriteCloser
	lines *Reader // owned by the reading goroutine
	torn  int     // number of the line whose beginning may be lost, counted from 1; 0: none
	limit *throttle
	ahead *backlog      // of a Node worker; nil: the peer is another program
	wake  chan struct{} // capacity 1: a hint that there is something to write
	done  chan struct{} // closed by Close and Detach
	gone  sync.WaitGroup

	mu       sync.Mutex
	queue    []outgoing
	queued   int    // the cost of the lines in queue, at most maxQueued
	state    []byte // the newest State, nil if none waits
	closed   bool
	detached bool // closed, but another Channel keeps the connection
	ended    bool // detached, but the connection has ended
	deaf     bool // the peer does not read any more
}

// NewChannel starts reading and writing. rest is what the previous Channel of the connection has
// left; the zero Rest is for a new connection. Each message goes to deliver; ended is called once,
// last, with the reason: io.EOF if the peer closed its end. One goroutine calls all three
// functions.
//
// The peer may send 2,000 messages a second, and 5,000 at once; each 4 KiB of a long one count as
// one. If it sends more, the Channel reads more slowly, so that the peer's writes wait, and calls
// flooding from time to time.
func NewChannel(conn io.ReadWriteCloser, rest Rest, deliver func(Message), ended func(error),
	flooding func(Flood)) *Channel {
	if socket, ok := conn.(syscall.Conn); ok {
		_ = acceptDescriptors(socket, false) // the connection may come from a master that accepted them
	}
	c := newChannel(conn, conn, rest, flooding)
	c.start(ended, func() error { return c.read(deliver) })
	return c
}

func newChannel(conn io.ReadWriteCloser, from io.Reader, rest Rest, flooding func(Flood)) *Channel {
	c := &Channel{
		conn: conn, lines: rest.reader(from), torn: rest.torn(), limit: newThrottle(flooding),
		wake: make(chan struct{}, 1), done: make(chan struct{}), state: rest.State,
	}
	for _, line := range rest.Unsent {
		c.queue, c.queued = append(c.queue, outgoing{line: line}), c.queued+len(line)+lineCost
	}
	c.wake <- struct{}{}
	return c
}

func (c *Channel) start(ended func(error), read func() error) {
	c.gone.Go(func() {
		if err := read(); c.ends(err) {
			ended(err)
		}
	})
	c.gone.Go(c.write)
}

// Send queues a message. It returns ErrClosed, ErrFull, or an error of Encode.
func (c *Channel) Send(m Message) error {
	line, err := Encode(m)
	if err != nil {
		return err
	}
	_, isState := m.(State)
	return c.add(outgoing{line: line}, isState)
}

// SendSocket queues a line of another protocol, without its newline, and a descriptor that goes
// with it, or nil. The file stays the caller's; if it is closed before its turn, the line goes
// alone. Errors are ErrClosed, ErrFull and ErrLineTooLong.
func (c *Channel) SendSocket(line []byte, file *os.File) error {
	if len(line) > MaxLine {
		return ErrLineTooLong
	}
	return c.add(outgoing{line: append(bytes.Clone(line), '\n'), file: file}, false)
}

func (c *Channel) add(o outgoing, isState bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.deaf {
		return ErrClosed
	}
	if isState {
		c.state = o.line
	} else {
		cost := len(o.line) + lineCost
		if c.queued+cost > maxQueued {
			return ErrFull
		}
		c.queue, c.queued = append(c.queue, o), c.queued+cost
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return nil
}

// closePatience is how long Close and Detach wait for a system call on the connection: closing a
// descriptor that the peer has sent may take as long as the peer likes.
const closePatience = time.Second

// Close ends both directions. It does not wait for the goroutines; Wait does.
func (c *Channel) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed, c.queue, c.state = true, nil, nil
	close(c.done)
	c.mu.Unlock()
	return c.closeConn()
}

func (c *Channel) closeConn() error {
	closed := make(chan error, 1)
	go func() { closed <- c.conn.Close() }()
	patience := time.NewTimer(closePatience)
	defer patience.Stop()
	select {
	case err := <-closed:
		return err
	case <-patience.C:
		return fmt.Errorf("cannot close a worker's channel within %s: a descriptor that the worker sent does not close",
			closePatience)
	}
}

// ends says whether the channel has ended and was not only detached.
func (c *Channel) ends(err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.detached {
		return true
	}
	if !interrupted(err) {
		c.ended = true
		go c.conn.Close()
	}
	return c.ended
}

// Wait returns when the channel's goroutines have ended, after Close.
func (c *Channel) Wait() { c.gone.Wait() }

// read closes the channel at its end: one direction alone is of no use.
func (c *Channel) read(deliver func(Message)) error {
	defer c.Close()
	for {
		m, err := c.lines.Next()
		if c.isTorn(err) && errors.Is(err, ErrNotJSON) {
			continue
		}
		if err != nil {
			return err
		}
		deliver(m)
		c.limit.pace(m, c.done)
		select {
		case <-c.done:
			return ErrClosed
		default:
		}
	}
}

// isTorn says whether the line that was just read may be only the end of a line, because a master
// that has died had read its beginning, or was skipping it. It must be called with each result of
// Next.
func (c *Channel) isTorn(err error) bool {
	if unreadable := (*LineError)(nil); err != nil && !errors.As(err, &unreadable) {
		return false // an error of the connection
	}
	c.torn = max(c.torn-1, -1)
	return c.torn == 0
}

func (c *Channel) write() {
	for {
		select {
		case <-c.done:
			return
		case <-c.wake:
		}
		for next := c.next(); next.line != nil; next = c.next() {
			if n, err := next.write(c.conn); err != nil {
				c.stopSending(next.after(n))
				return
			}
		}
	}
}

// stopSending makes Send fail, because the peer does not read any more. It does not close the
// channel: the peer's last messages, and its end, may still be there to read. If the channel was
// detached in the middle of a line, the rest of the line comes first in the next Channel.
func (c *Channel) stopSending(rest outgoing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.detached {
		c.queue = append([]outgoing{rest}, c.queue...)
		return
	}
	c.deaf, c.queue, c.state = true, nil, nil
}

// next takes the next line: application messages in order, then the state.
func (c *Channel) next() (o outgoing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return o
	}
	if len(c.queue) > 0 {
		o = c.queue[0]
		c.queue[0] = outgoing{} // the array stays in use, the line does not
		c.queue, c.queued = c.queue[1:], c.queued-len(o.line)-lineCost
		if len(c.queue) == 0 {
			c.queue = nil
		}
		return o
	}
	o.line, c.state = c.state, nil
	return o
}
