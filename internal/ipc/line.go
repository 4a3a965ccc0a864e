package ipc

import (
	"bufio"
	"errors"
	"io"
	"slices"
)

// MaxLine is the longest line of either side in bytes, without its newline.
const MaxLine = 1 << 20

// ErrLineTooLong is returned by Reader.Next and Encode.
var ErrLineTooLong = errors.New("ipc: line longer than 1 MiB")

// Reader splits a channel into lines and never holds more than MaxLine of them.
type Reader struct {
	r     *bufio.Reader
	long  []byte // gathers a line that is longer than r's buffer
	begun bool   // long is part of a line that has not been returned
}

// NewReader returns a Reader on r. The buffer is small because a master has one
// for each worker and most of them are silent.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 1024)}
}

// Next returns the next message. Empty lines are passed over. At the end of the
// channel it returns io.EOF, also after a last line without its newline, which
// is what a worker that dies in mid-write leaves behind.
func (r *Reader) Next() (Message, error) {
	for {
		line, err := r.line()
		if err != nil {
			return nil, err
		}
		if len(line) > 0 {
			return Decode(line)
		}
	}
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
			return nil, ErrLineTooLong
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

// unread returns what has been read and not returned by Next: after an error of
// the connection, a line that has only begun.
func (r *Reader) unread() []byte {
	buffered, _ := r.r.Peek(r.r.Buffered())
	if !r.begun {
		return slices.Clone(buffered)
	}
	return append(slices.Clone(r.long), buffered...)
}

func trimNewline(line []byte) []byte {
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}
