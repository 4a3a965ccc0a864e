package ipc

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
)

// MaxLine is the longest line of either side in bytes, without its newline.
const MaxLine = 1 << 20

// ErrLineTooLong is returned by Reader.Next and Encode.
var ErrLineTooLong = errors.New("ipc: line longer than 1 MiB")

// LineError is a line that Reader.Next could not read and has skipped: the next call returns the
// line after it.
type LineError struct {
	Begin []byte // what it begins with, at most maxBegin bytes
	Size  int64  // in bytes, without its newline
	Err   error
}

func (e *LineError) Error() string { return e.Err.Error() }
func (e *LineError) Unwrap() error { return e.Err }

// maxBegin is how much of a line a LineError shows.
const maxBegin = 64

// Reader splits a channel into lines and never holds more than MaxLine of them.
type Reader struct {
	r     *bufio.Reader
	long  []byte        // gathers a line that is longer than r's buffer
	left  *bytes.Reader // what r reads first, if another Channel has left something
	begun bool          // long is part of a line that has not been returned

	// passOver is called with the number of bytes read of a line that is too long. nil: Next ends
	// there.
	passOver func(bytes int)
	passing  *LineError // the line that is being skipped
}

// NewReader returns a Reader on r. The buffer is small because a master has one
// for each worker and most of them are silent.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 1024)}
}

// Next returns the next message. It skips empty lines. At the end of the channel it returns io.EOF,
// also after a last line without a newline, which a worker leaves that dies while it writes.
func (r *Reader) Next() (Message, error) {
	for {
		line, err := r.line()
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			continue
		}
		m, err := Decode(line)
		if err != nil {
			return nil, newLineError(line, int64(len(line)), err)
		}
		return m, nil
	}
}

func newLineError(begin []byte, size int64, err error) *LineError {
	return &LineError{Begin: slices.Clone(begin[:min(len(begin), maxBegin)]), Size: size, Err: err}
}

// line is valid until the next call.
func (r *Reader) line() ([]byte, error) {
	if cap(r.long) > 64<<10 {
		r.long = nil // one long message must not cost memory for the worker's whole life
	}
	r.long, r.begun = r.long[:0], true
	for {
		part, err := r.r.ReadSlice('\n')
		if len(r.long)+len(part) > MaxLine+1 {
			return nil, r.tooLong(part, err)
		}
		if err == nil && len(r.long) == 0 {
			r.begun = false
			return trimNewline(part), nil
		}
		r.long = append(r.long, part...)
		switch {
		case err == nil:
			r.begun = false
			return trimNewline(r.long), nil
		case errors.Is(err, bufio.ErrBufferFull):
		default:
			return nil, err
		}
	}
}

// tooLong reads the rest of a line that is too long. part is what was read of it last, with err. It
// keeps nothing of the line.
func (r *Reader) tooLong(part []byte, err error) error {
	if r.passOver == nil {
		return ErrLineTooLong
	}
	r.passing = newLineError(slices.Concat(r.long[:min(len(r.long), maxBegin)], part), int64(len(r.long)), ErrLineTooLong)
	r.long, r.begun = nil, false
	for {
		r.passing.Size += int64(len(part))
		r.passOver(len(part))
		if err == nil {
			passed := r.passing
			passed.Size, r.passing = passed.Size-1, nil
			return passed
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		part, err = r.r.ReadSlice('\n')
	}
}

// unread returns what was read and not returned by Next: after an error of the connection, the
// beginning of a line.
func (r *Reader) unread() []byte {
	var all []byte
	if r.begun {
		all = append(all, r.long...)
	}
	buffered, _ := r.r.Peek(r.r.Buffered())
	all = append(all, buffered...)
	if r.left != nil {
		left := make([]byte, r.left.Len())
		_, _ = r.left.Read(left) // it reads from memory
		all = append(all, left...)
	}
	return all
}

func trimNewline(line []byte) []byte {
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}
