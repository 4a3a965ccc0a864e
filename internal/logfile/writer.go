package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Options are those of a Writer.
type Options struct {
	Dir    string
	Limits Limits
	// Tell hears, from the Writer's goroutine, that lines are lost from now on, and why,
	// and then, with a nil error, what was lost, when lines can be written again. It must
	// not wait. Default: nothing is told, but in the files.
	Tell func(Loss)
	// Write writes to a file. Default: (*os.File).Write.
	Write func(*os.File, []byte) (int, error)
	// Patience is how long a stream waits for a disk that does nothing. Default: 2 s.
	Patience time.Duration
}

// Loss is what could not be written.
type Loss struct {
	Since        time.Time
	Lines, Bytes int64
	Err          error // nil: it is over
}

// bufferBytes of lines wait to be written, while as many are being written. logBytes more
// are there for the master's own log, which does not wait for room.
const (
	bufferBytes = 256 << 10
	logBytes    = 64 << 10
)

// Writer writes the lines of all streams of an app. One goroutine of its own uses the
// disk, so that nothing else waits for it: a stream waits for room in the buffer as long
// as the disk does something, and loses lines, which are counted, where it does not.
type Writer struct {
	opts Options
	disk disk
	pack *packer
	wake chan struct{} // capacity 1: there are lines, or it is closed
	done chan struct{} // closed when the goroutine has ended

	mu     sync.Mutex
	filled []byte        // whole lines
	round  chan struct{} // closed, and made anew, when what was filled begins to be written
	idle   chan struct{} // closed while nothing waits or is being written
	stuck  bool          // the disk does nothing: nobody waits for it any more
	lost   Loss          // because of that
	closed bool
}

// New returns a Writer, which touches no file before there is a line. Close ends it.
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

// Stream returns what takes one stream of one process. begun is the beginning of its next
// line, torn says that the beginning of that may be missing. Of an impatient one lines are
// lost instead of waited with where the buffer is full.
func (w *Writer) Stream(s Source, begun []byte, torn bool) *Stream {
	return &Stream{to: w, words: s.words(), torn: torn, begun: begun, patient: s.Stream != Log}
}

// Sync waits until all that was written to the streams is in the files, or lost.
func (w *Writer) Sync() {
	w.mu.Lock()
	idle := w.idle
	w.mu.Unlock()
	select {
	case <-idle:
	case <-w.done:
	}
}

// Close writes what waits, as far as that is possible within the patience.
func (w *Writer) Close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
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

// reserve waits until the buffer has room for one more line. It holds mu before and after,
// and says false where the line is lost.
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

// added has what was filled written. It is called with mu held.
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
	lost := Loss{} // what could not be written, until that is told
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
				return // closed, and even what was lost is told, or cannot be
			}
		}
	}
}

// take takes what was filled, and what was lost for lack of room.
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

// write writes lines, and before them what was lost until now. It returns what is lost
// and not told yet.
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

// errStuck is why lines are lost that find the buffer full.
var errStuck = errors.New("the disk did not take them in time")

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
