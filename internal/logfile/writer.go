package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Options are the settings of a Writer.
type Options struct {
	Dir    string
	Limits Limits
	// Tell is called in the Writer's goroutine when lines begin to be lost, with the reason, and
	// with a nil error when lines can be written again, with what was lost. It must not block.
	// Default: only the files say so.
	Tell func(Loss)
	// Write writes to a file. Default: (*os.File).Write.
	Write func(*os.File, []byte) (int, error)
	// Patience is how long a stream waits for a disk that does not respond. Default: 2 s.
	Patience time.Duration
}

// Loss counts what could not be written.
type Loss struct {
	Since        time.Time
	Lines, Bytes int64
	Err          error // nil: lines are written again
}

// bufferBytes of lines may wait while as many are being written. The master's own log, which does
// not wait, gets logBytes more.
const (
	bufferBytes = 256 << 10
	logBytes    = 64 << 10
)

// Writer writes the lines of all streams of an app. Only its own goroutine uses the disk. A stream
// waits for room in the buffer as long as the disk makes progress; otherwise it loses lines, and
// counts them.
type Writer struct {
	opts Options
	disk disk
	pack *packer
	wake chan struct{} // capacity 1: there are lines, or the Writer was closed
	done chan struct{} // closed when the goroutine has ended

	mu     sync.Mutex
	filled []byte        // whole lines
	round  chan struct{} // closed and replaced when the filled lines begin to be written
	idle   chan struct{} // closed while nothing waits or is being written
	stuck  bool          // the disk does not respond, and streams no longer wait for it
	lost   Loss          // because of that
	closed bool
}

// New returns a Writer. It creates no file before there is a line. Close ends it.
func New(o Options) *Writer {
	if o.Write == nil {
		o.Write = (*os.File).Write
	}
	if o.Patience == 0 {
		o.Patience = 2 * time.Second
	}
	if o.Tell == nil {
		o.Tell = func(Loss) {}
	}
	w := &Writer{
		opts: o, pack: newPacker(o.Dir), wake: make(chan struct{}, 1), done: make(chan struct{}),
		round: make(chan struct{}), idle: make(chan struct{}),
	}
	limits := o.Limits.set()
	w.disk = disk{dir: o.Dir, wanted: limits, limits: limits, write: o.Write, pack: w.pack.start}
	close(w.idle)
	go w.run()
	return w
}

// Stream returns a writer for one stream of one process. begun is the beginning of its next line;
// torn says that begun may lack its own beginning. When the buffer is full, an impatient stream
// loses lines instead of waiting.
func (w *Writer) Stream(s Source, begun []byte, torn bool) *Stream {
	return &Stream{to: w, words: s.words(), torn: torn, begun: begun, patient: s.Stream != Log}
}

// Sync waits until everything that the streams got is in the files, or lost.
func (w *Writer) Sync() {
	w.mu.Lock()
	idle := w.idle
	w.mu.Unlock()
	select {
	case <-idle:
	case <-w.done:
	}
}

// Close writes the lines that wait, for at most the patience. A second call does nothing.
func (w *Writer) Close() {
	w.mu.Lock()
	again := w.closed
	w.closed = true
	w.mu.Unlock()
	if again {
		return
	}
	w.poke()
	select {
	case <-w.done:
	case <-time.After(w.opts.Patience):
	}
	w.pack.stop()
}

func (w *Writer) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// reserve waits until the buffer has room for one more line. It is called and returns with mu held.
// It returns false if the line is lost.
func (w *Writer) reserve(bytes int, patient bool) bool {
	var timer *time.Timer
	room := bufferBytes
	if !patient {
		room += logBytes
	}
	for len(w.filled) > 0 && len(w.filled)+bytes > room && !w.closed {
		if w.stuck || !patient {
			w.lose(bytes)
			return false
		}
		if timer == nil {
			timer = time.NewTimer(w.opts.Patience)
			defer timer.Stop()
		}
		round := w.round
		w.added()
		w.mu.Unlock()
		select {
		case <-round:
		case <-timer.C:
			w.mu.Lock()
			w.stuck = w.stuck || round == w.round
			w.mu.Unlock()
		}
		w.mu.Lock()
	}
	if w.closed {
		w.lose(bytes)
	}
	return !w.closed
}

func (w *Writer) lose(bytes int) {
	if w.lost.Lines == 0 {
		w.lost.Since = time.Now()
	}
	w.lost.Lines++
	w.lost.Bytes += int64(bytes)
}

// added wakes the goroutine after lines were added. It is called with mu held.
func (w *Writer) added() {
	if len(w.filled) == 0 {
		return
	}
	select {
	case <-w.idle:
		w.idle = make(chan struct{})
	default:
	}
	w.poke()
}

// run writes until the Writer is closed and nothing waits.
func (w *Writer) run() {
	defer close(w.done)
	defer w.disk.close()
	var spare []byte
	lost := Loss{} // not written, and not reported yet
	for range w.wake {
		for {
			lines, stuck, closed := w.take(spare)
			spare, lost = lines[:0], lost.with(stuck, errStuck)
			if len(lines) == 0 && (lost.Lines == 0 || !closed) {
				if closed {
					return
				}
				break
			}
			if lost = w.write(lines, lost); len(lines) == 0 {
				return // closed, and the losses were reported or cannot be
			}
		}
	}
}

// take takes the filled lines, and the losses for lack of room.
func (w *Writer) take(spare []byte) (lines []byte, stuck Loss, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines, w.filled = w.filled, spare
	stuck, w.lost, w.stuck = w.lost, Loss{}, false
	close(w.round)
	w.round = make(chan struct{})
	if len(lines) == 0 && !isClosed(w.idle) {
		close(w.idle)
	}
	return lines, stuck, w.closed
}

// write writes lines, preceded by a note about earlier losses. It returns the losses that are not
// reported yet.
func (w *Writer) write(lines []byte, lost Loss) Loss {
	now := time.Now()
	if lost.Lines > 0 {
		note := appendRecord(nil, now, Source{Slot: -1, PID: os.Getpid(), Stream: Log}.words(), "", []byte(lost.String()))
		if _, err := w.disk.put(note, now); err == nil {
			w.opts.Tell(Loss{Since: lost.Since, Lines: lost.Lines, Bytes: lost.Bytes})
			lost = Loss{}
		}
	}
	left, err := w.disk.put(lines, now)
	if err == nil {
		return lost
	}
	gone := Loss{Since: now, Lines: int64(bytes.Count(left, []byte("\n"))), Bytes: int64(len(left))}
	if gone.Lines > 0 && lost.Lines == 0 {
		w.opts.Tell(Loss{Since: now, Err: err})
	}
	return lost.with(gone, err)
}

// with adds a later loss.
func (l Loss) with(more Loss, err error) Loss {
	if more.Lines == 0 {
		return l
	}
	if l.Lines == 0 {
		l.Since = more.Since
	}
	l.Lines, l.Bytes, l.Err = l.Lines+more.Lines, l.Bytes+more.Bytes, err
	return l
}

// String is the note in the files.
func (l Loss) String() string {
	return fmt.Sprintf("relevo: %d lines (%d bytes) of output were lost from %s on: %v",
		l.Lines, l.Bytes, l.Since.UTC().Format(timeLayout), l.Err)
}

// errStuck is the reason for losing lines that find the buffer full.
var errStuck = errors.New("the disk did not take them in time")

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
