package ipc

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// Node is what a channel to a Node worker needs beside that of any other program. Node's
// module child_process speaks on it, and the program by process.send, which knows nothing
// of this package's limits.
type Node struct {
	// Internal says whether an application message is Node's own (NODE_CLUSTER, …). nil:
	// none is.
	Internal func(line []byte) bool
	// PassedOver is told of a line that is too long, or cannot be read. It is called from
	// another goroutine than deliver.
	PassedOver func(*LineError)
	// Descriptors has the worker send descriptors beside its lines. They are closed: where
	// they are refused Node waits for their arrival and sends nothing more.
	Descriptors bool
}

// passedPerToken is how many bytes of a line that is passed over count as one message.
const passedPerToken = 32 << 10

// NewNodeChannel is NewChannel for a Node worker. No line ends the channel: one that is
// too long or cannot be read is passed over. The program's messages over the limit wait in
// a backlog, and those of Node and of this package do not wait for them: a server that
// wants to listen is not late for what the program has said before.
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
		defer c.Close() // half a channel is of no use
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

// slowDown lets the reader wait where the worker says much that is passed over.
func (c *Channel) slowDown(bytes int) {
	c.ahead.passed += bytes
	if tokens := c.ahead.passed / passedPerToken; tokens > 0 {
		c.ahead.passed %= passedPerToken
		waitFor(c.ahead.urgentLimit.spend(time.Now(), tokens), c.done)
	}
}

// uncounted is what slowDown has not been told of a line.
func (e *LineError) uncounted() int {
	if errors.Is(e, ErrLineTooLong) {
		return 0
	}
	return int(e.Size)
}
