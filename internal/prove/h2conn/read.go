package h2conn

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/net/http2"
)

// readFrames handles what the server sends, until the connection ends.
func (c *Conn) readFrames() error {
	for first := true; ; first = false {
		frame, err := c.framer.ReadFrame()
		var broken http2.StreamError
		switch {
		case errors.As(err, &broken):
			c.endStream(broken.StreamID, malformed(broken.Error()))
			continue
		case err != nil:
			return c.readError(first, err)
		}
		if _, ok := frame.(*http2.SettingsFrame); first && !ok {
			return errNotHTTP2
		}
		if err := c.handle(frame); err != nil {
			return err
		}
	}
}

// readError tells a server that speaks something else from one that has closed.
func (c *Conn) readError(first bool, err error) error {
	var broken http2.ConnectionError
	if first && (errors.Is(err, http2.ErrFrameTooLarge) || errors.As(err, &broken)) {
		return errNotHTTP2
	}
	return err
}

func (c *Conn) handle(frame http2.Frame) error {
	switch f := frame.(type) {
	case *http2.MetaHeadersFrame:
		return c.header(f)
	case *http2.DataFrame:
		return c.data(f)
	case *http2.RSTStreamFrame:
		if f.ErrCode == http2.ErrCodeRefusedStream {
			c.endStream(f.StreamID, ErrUnprocessed)
		} else {
			c.endStream(f.StreamID, ResetError(f.ErrCode.String()))
		}
	case *http2.GoAwayFrame:
		c.goAway(f.LastStreamID)
	case *http2.SettingsFrame:
		return c.settings(f)
	case *http2.PingFrame:
		if !f.IsAck() {
			_ = c.send(func() error { return c.framer.WritePing(true, f.Data) })
		}
	}
	return nil
}

func (c *Conn) settings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	c.mu.Lock()
	if most, ok := f.Value(http2.SettingMaxConcurrentStreams); ok {
		c.most = most
	}
	c.wakeLocked()
	c.mu.Unlock()
	_ = c.send(c.framer.WriteSettingsAck)
	return nil
}

func (c *Conn) header(f *http2.MetaHeadersFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[f.StreamID]
	if s == nil {
		return nil // it was given up
	}
	if s.answer.Status == 0 { // else this is the trailer
		status, err := strconv.Atoi(f.PseudoValue("status"))
		if err != nil || status < 100 {
			c.finishLocked(s, malformed(fmt.Sprintf("status %q", f.PseudoValue("status"))))
			return nil
		}
		if status >= 200 {
			s.answer.Status = status
		}
	}
	if f.StreamEnded() {
		c.completeLocked(s)
	}
	return nil
}

// data counts a part of a body, and lets the server send as much again.
func (c *Conn) data(f *http2.DataFrame) error {
	c.mu.Lock()
	s := c.streams[f.StreamID]
	var again uint32 // of the stream
	if s != nil {
		s.answer.Body += int64(len(f.Data()))
		s.received += int64(f.Length)
		again = due(&s.received)
		if f.StreamEnded() {
			c.completeLocked(s)
			again = 0
		}
	}
	c.mu.Unlock()
	c.received += int64(f.Length)
	if n := due(&c.received); n > 0 {
		_ = c.send(func() error { return c.framer.WriteWindowUpdate(0, n) })
	}
	if again > 0 {
		_ = c.send(func() error { return c.framer.WriteWindowUpdate(f.StreamID, again) })
	}
	return nil
}

// due returns by how much to open a window again: half of it at a time.
func due(received *int64) uint32 {
	if *received < window/2 {
		return 0
	}
	n := uint32(*received)
	*received = 0
	return n
}

// completeLocked ends a stream whose last frame has arrived.
func (c *Conn) completeLocked(s *stream) {
	if s.answer.Status == 0 {
		c.finishLocked(s, malformed("it ended without a status"))
		return
	}
	c.finishLocked(s, nil)
}

func (c *Conn) endStream(id uint32, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.streams[id]; s != nil {
		c.finishLocked(s, err)
	}
}

// goAway: the server finishes the streams up to last, and no other.
func (c *Conn) goAway(last uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.goneAway = true
	c.refuseLocked()
	for id, s := range c.streams {
		if id > last {
			c.finishLocked(s, ErrUnprocessed)
		}
	}
	if len(c.streams) == 0 {
		_ = c.conn.Close()
	}
}
