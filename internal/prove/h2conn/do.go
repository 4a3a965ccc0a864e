package h2conn

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Field is one field of a request's header, ":path" and the like included.
type Field struct{ Name, Value string }

// Block encodes the header of a request, once for all connections: it adds nothing to the server's
// header table.
func Block(fields []Field) ([]byte, error) {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	e.SetMaxDynamicTableSize(0)
	for _, f := range fields {
		if err := e.WriteField(hpack.HeaderField{Name: f.Name, Value: f.Value}); err != nil {
			return nil, err
		}
	}
	if b.Len() > maxFrame {
		return nil, fmt.Errorf("its header takes %d bytes, and %d fit into a frame of HTTP/2", b.Len(), maxFrame)
	}
	return b.Bytes(), nil
}

// Do sends a request without a body, and returns when its answer is complete.
func (c *Conn) Do(block []byte, deadline time.Time) (Answer, error) {
	t := time.NewTimer(time.Until(deadline))
	defer t.Stop()
	s, err := c.open(block, t.C)
	if err != nil {
		return Answer{}, err
	}
	select {
	case <-s.done:
		return s.answer, s.err
	case <-t.C:
	}
	if c.cancel(s) {
		_ = c.send(func() error { return c.framer.WriteRSTStream(s.id, http2.ErrCodeCancel) })
		return Answer{}, fmt.Errorf("stream %d: %w", s.id, os.ErrDeadlineExceeded)
	}
	return s.answer, s.err
}

// open sends the header of a new stream. It waits while the server has as many as it allows.
func (c *Conn) open(block []byte, tooLate <-chan time.Time) (*stream, error) {
	for {
		s, wait, err := c.tryOpen(block)
		if s != nil || err != nil {
			return s, err
		}
		select {
		case <-wait:
		case <-tooLate:
			return nil, fmt.Errorf("no stream was free on the connection: %w", os.ErrDeadlineExceeded)
		}
	}
}

// tryOpen returns a channel to wait for if no stream is free. It leaves an error of the write to
// Run, which first reads the frames that the server had already sent.
func (c *Conn) tryOpen(block []byte) (s *stream, wait <-chan struct{}, err error) {
	c.write.Lock()
	defer c.write.Unlock()
	s, wait, err = c.register()
	if s != nil {
		_ = c.sendLocked(func() error {
			return c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: s.id, BlockFragment: block, EndStream: true,
				EndHeaders: true})
		})
	}
	return s, wait, err
}

func (c *Conn) register() (*stream, <-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.none || c.next > lastStream:
		c.none = true
		return nil, nil, ErrTakesNone
	case len(c.streams) >= int(c.most):
		c.awaited = true
		return nil, c.changed, nil
	}
	s := &stream{id: c.next, done: make(chan struct{})}
	c.next += 2
	c.streams[s.id] = s
	return s, nil, nil
}

// cancel gives up a stream. It returns false if the stream already has a result.
func (c *Conn) cancel(s *stream) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.streams[s.id] != s {
		return false
	}
	c.finishLocked(s, os.ErrDeadlineExceeded)
	return true
}
