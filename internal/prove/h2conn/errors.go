package h2conn

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
)

var (
	// ErrUnprocessed is the result of a stream that the server says it has not processed.
	ErrUnprocessed = errors.New("the server has not processed the stream, and says so")
	// ErrTakesNone is returned by Do if the connection takes no more streams: nothing was sent.
	ErrTakesNone = errors.New("the connection takes no more streams")

	errNotHTTP2 = errors.New("the server does not speak HTTP/2 here")
)

// ResetError is the code of an RST_STREAM.
type ResetError string

func (r ResetError) Error() string { return "the server has reset the stream: " + string(r) }

// Is makes a reset stream equal to a reset connection for errors.Is.
func (r ResetError) Is(target error) bool { return target == syscall.ECONNRESET }

// malformed is an answer that breaks the protocol.
type malformed string

func (m malformed) Error() string { return "malformed answer: " + string(m) }

// ClosedError is the result of a stream that was open when the connection ended.
type ClosedError struct {
	Stream   uint32
	Answered bool // its header had arrived
	GoneAway bool // a GOAWAY had promised to finish it
	cause    error
}

func (e *ClosedError) Error() string {
	closed := errors.Is(e.cause, io.EOF) || errors.Is(e.cause, io.ErrUnexpectedEOF)
	text := "the connection ended"
	if closed {
		text = "the connection was closed"
	}
	switch {
	case e.GoneAway:
		text += fmt.Sprintf(", and GOAWAY had promised an answer on stream %d", e.Stream)
	case e.Answered:
		text += fmt.Sprintf(" without GOAWAY within the answer on stream %d", e.Stream)
	default:
		text += fmt.Sprintf(" without GOAWAY, with stream %d open", e.Stream)
	}
	if closed {
		return text
	}
	return text + ": " + e.cause.Error()
}

func (e *ClosedError) Unwrap() error { return e.cause }

// closedErrorLocked is the result of a stream when reading has ended with err. Linux reports a RST
// once: if sending got it, reading sees the end only. A write that took too long has closed the
// connection.
func (c *Conn) closedErrorLocked(s *stream, err error) error {
	switch {
	case errors.Is(err, errNotHTTP2):
		return err
	case errors.Is(err, io.EOF) && errors.Is(c.sendErr, syscall.ECONNRESET),
		errors.Is(err, net.ErrClosed) && c.sendErr != nil:
		err = c.sendErr
	}
	return &ClosedError{Stream: s.id, Answered: s.answer.Status != 0, GoneAway: c.goneAway, cause: err}
}
