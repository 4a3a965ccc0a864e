package ipc

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// Node says what a channel to a Node worker needs in addition. Both Node's module child_process and
// the program (by process.send) write to it, and the program does not know this package's limits.
type Node struct {
	// Internal says whether an application message is Node's own (NODE_CLUSTER, …). nil:
	// none is.
	Internal func(line []byte) bool
	// PassedOver is called for a line that is too long, or cannot be read; not by the goroutine
	// that calls deliver.
	PassedOver func(*LineError)
	// Descriptors lets the worker send descriptors beside its lines. They are closed: if they were
	// refused, Node would wait for their arrival and send nothing more.
	Descriptors bool
}

// passedPerToken is how many bytes of a skipped line count as one message.
const passedPerToken = 32 << 10

// NewNodeChannel is NewChannel for a Node worker. No line ends the channel: a line that is too long
// or cannot be read is skipped. The program's messages over the limit wait in a backlog; messages
// of Node and of this package do not wait for them, so that a server can listen at once whatever
// the program has sent before.
func NewNodeChannel(
	conn io.ReadWriteCloser, rest Rest, n Node, deliver func(Message), ended func(error), flooding func(Flood),
) *Channel {
	from := io.Reader(conn)
	if socket, ok := conn.(*os.File); ok {
		if n.Descriptors {
			from = newReceiver(socket)
		}
		_ = acceptDescriptors(syscall.Conn(socket), n.Descriptors)
	}
	c := newChannel(conn, from, rest, flooding)
	c.ahead = newBacklog(n.Internal, c.limit)
	c.lines.passOver = c.slowDown
	c.gone.Go(func() { c.ahead.end(c.readAhead(n.PassedOver)) })
	c.start(ended, func() error {
		defer c.Close() // one direction alone is of no use
		return c.ahead.deliverAll(deliver, c.done)
	})
	return c
}

// readAhead reads until the channel ends.
func (c *Channel) readAhead(passedOver func(*LineError)) error {
	for {
		m, err := c.lines.Next()
		torn := c.isTorn(err)
		var unreadable *LineError
		switch {
		case errors.As(err, &unreadable):
			if !torn {
				passedOver(unreadable)
			}
			c.slowDown(passedPerToken + unreadable.uncounted())
		case err != nil:
			return err
		default:
			c.ahead.add(m, c.done)
		}
		select {
		case <-c.done:
			return ErrClosed
		default:
		}
	}
}

// slowDown lets the reader wait if the worker sends much that is skipped.
func (c *Channel) slowDown(bytes int) {
	c.ahead.passed += bytes
	if tokens := c.ahead.passed / passedPerToken; tokens > 0 {
		c.ahead.passed %= passedPerToken
		waitFor(c.ahead.urgentLimit.spend(time.Now(), tokens), c.done)
	}
}

// uncounted returns how much of a line slowDown has not counted yet.
func (e *LineError) uncounted() int {
	if errors.Is(e, ErrLineTooLong) {
		return 0
	}
	return int(e.Size)
}
