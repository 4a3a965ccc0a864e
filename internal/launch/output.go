package launch

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Streams is where the workers' output goes.
type Streams struct {
	// Out and Err receive the two streams; nil discards them. Writes of whole
	// lines, or of blocks, come from one goroutine per worker and stream.
	Out, Err io.Writer
	// PrefixOut and PrefixErr put "app/slot │ " before each line.
	PrefixOut, PrefixErr bool
	// BegunFor is how long a begun line waits for more text before it is shown with its
	// prefix. While text keeps coming, it is shown after four times as long. Default: 500 ms.
	BegunFor time.Duration
	// TerminalOut and TerminalErr say that a terminal shows the stream. Prefixed lines
	// then keep text and colors only: other escape sequences are removed.
	TerminalOut, TerminalErr bool
	// ColorOut and ColorErr give the prefix a colour, one for each slot.
	ColorOut, ColorErr bool
	// Inherit, where set, is what the workers inherit as stdout and stderr. The other
	// fields are not used then.
	Inherit [2]*os.File
	// Open, where set, returns the writer for one stream of one worker. Out, Err and the
	// prefixes are not used then. Torn says that the stream begins in the middle: a master
	// was killed that had read the bytes before.
	Open func(s OutputSource, begun []byte, torn bool) Lines
}

// OutputSource is one stream of one worker.
type OutputSource struct {
	Slot, Generation, PID int
	Stream                int // 0: stdout, 1: stderr
	Worker                string
}

// Lines takes one stream of one worker, and keeps the beginning of a line until its end.
type Lines interface {
	io.Writer
	// Take returns the begun line, for another master. It waits for nothing.
	Take() []byte
	// Sync waits until the whole lines are written.
	Sync()
	// Flush ends a begun line, because the worker has ended.
	Flush()
}

// lines returns the writer that splits a stream into lines, nil if the stream is passed on
// as it is.
func (s *Streams) lines(app string, source OutputSource, begun []byte, torn bool) Lines {
	if s.Open != nil {
		return s.Open(source, begun, torn)
	}
	if p := s.prefixer(source.Stream, app, source.Slot, begun); p != nil {
		return p
	}
	return nil
}

// slotColors are the SGR codes of the prefixes; neighbours differ.
var slotColors = []int{36, 33, 32, 35, 34, 96, 93, 92}

func linePrefix(app string, slot int, color bool) string {
	prefix := fmt.Sprintf("%s/%d │ ", app, slot)
	if !color {
		return prefix
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", slotColors[slot%len(slotColors)], prefix)
}

// pump copies one stream of one worker until its end, and remembers the tail. It returns
// false if a deadline interrupted it or left was closed while it wrote: then the next
// master reads the rest.
func pump(from io.Reader, to io.Writer, t *tail, left <-chan struct{}) (ended bool) {
	buffer := make([]byte, 4<<10)
	broken := false
	for {
		n, err := from.Read(buffer)
		t.Write(buffer[:n])
		if n > 0 && !broken {
			// Go on if the log cannot be written: a worker whose pipe is full would hang.
			if _, werr := to.Write(buffer[:n]); werr != nil {
				broken = true
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return false
		}
		if err == nil && isClosed(left) {
			return false
		}
		if err != nil {
			if lines, ok := to.(Lines); ok {
				lines.Flush()
			}
			return true
		}
		if n == len(buffer) && n < 64<<10 {
			buffer = make([]byte, 2*n) // much output: copy in larger pieces
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
