package worker

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"relevo/internal/ipc"
)

// sendTimeout is how long a message waits for a master that does not read.
const sendTimeout = 10 * time.Second

var errChannelGone = errors.New("the channel to the master is closed")

// channel is this worker's end of the socketpair.
type channel struct {
	conn net.Conn
	done chan struct{} // closed when the reader has ended

	mu  sync.Mutex // held for one message, so that lines do not mix
	err error      // why the channel is over
}

// openChannel makes the inherited descriptor a channel. The descriptor itself is
// closed: package net works on a duplicate, which children do not inherit.
func openChannel(fd int) (*channel, error) {
	// Check before there is an os.File: it would close a descriptor that is not ours.
	if !isStream(fd) {
		return nil, fmt.Errorf("cannot open the channel to the master: %s=%d is not a stream socket", ipc.EnvFD, fd)
	}
	file := os.NewFile(uintptr(fd), "relevo-ipc")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("cannot open the channel to the master: %s=%d: %w", ipc.EnvFD, fd, err)
	}
	return &channel{conn: conn, done: make(chan struct{})}, nil
}

// send writes one message. A line that was cut off half-way ends the channel,
// because what follows could not be read.
func (c *channel) send(m ipc.Message) error {
	line, err := ipc.Encode(m)
	if err != nil {
		return sendError(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return fmt.Errorf("cannot send to the master: %w", c.err)
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	n, err := c.conn.Write(line)
	if err == nil {
		return nil
	}
	if n > 0 {
		c.endLocked(err)
	}
	return fmt.Errorf("cannot send to the master: %w", err)
}

// read hands each message to deliver until the channel ends. The worker keeps running
// after that, because clients need it, whether its master is gone for good or is
// being replaced.
func (c *channel) read(deliver func(ipc.Message)) {
	defer close(c.done)
	r := ipc.NewReader(c.conn)
	for {
		m, err := r.Next()
		if err != nil {
			c.end(err)
			return
		}
		deliver(m)
	}
}

func (c *channel) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLocked(err)
}

func (c *channel) endLocked(err error) {
	if c.err != nil {
		return
	}
	c.err = errChannelGone
	if !errors.Is(err, io.EOF) {
		c.err = fmt.Errorf("%w: %w", errChannelGone, err)
	}
	_ = c.conn.Close()
}
