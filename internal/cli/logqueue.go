package cli

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// logQueue keeps the writers of the log from blocking. A terminal that is held with Ctrl-S, or a
// pipe without a reader, blocks only the queue's own goroutine; lines that find the queue full are
// dropped and counted.
type logQueue struct {
	lines   chan *queuedLine // pointers: most places are empty, and each place is written in turn
	written chan struct{}    // closed after the last line was written

	mu     sync.Mutex
	held   int // bytes of the lines that are queued or being written
	lost   int
	closed bool
}

// queuedLines allows for a burst of a large pool; queuedBytes bounds the memory of long lines.
const (
	queuedLines = 4096
	queuedBytes = 4 << 20
)

func newLogQueue(to io.Writer) *logQueue {
	q := &logQueue{lines: make(chan *queuedLine, queuedLines), written: make(chan struct{})}
	go q.run(to)
	return q
}

// run writes the queued lines until the queue is closed.
func (q *logQueue) run(to io.Writer) {
	defer close(q.written)
	for line := range q.lines {
		// An error cannot be reported, because the log itself is broken. A pipe may get a reader
		// again.
		err := line.write(to)
		q.let(line.size())
		if err != nil {
			q.lose(1)
			continue
		}
		if lost := q.takeLost(); lost > 0 {
			if _, err := fmt.Fprintf(to, "relevo: %d log lines lost: the log was not read\n", lost); err != nil {
				q.lose(lost)
			}
		}
	}
}

// Write queues one line, as slog's handlers write them.
func (q *logQueue) Write(line []byte) (int, error) {
	if err := q.put(&queuedLine{text: append([]byte(nil), line...)}); err != nil {
		return 0, err
	}
	return len(line), nil
}

func (q *logQueue) put(line *queuedLine) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return io.ErrClosedPipe
	}
	if q.held > 0 && q.held+line.size() > queuedBytes {
		q.lost++
		return nil
	}
	select {
	case q.lines <- line:
		q.held += line.size()
	default:
		q.lost++
	}
	return nil
}

// let frees the room that a written line took.
func (q *logQueue) let(bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held -= bytes
}

func (q *logQueue) lose(lines int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lost += lines
}

func (q *logQueue) takeLost() (lost int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	lost, q.lost = q.lost, 0
	return lost
}

// close writes the queued lines, and gives up after a short time.
func (q *logQueue) close() {
	q.mu.Lock()
	q.closed = true
	close(q.lines)
	q.mu.Unlock()
	select {
	case <-q.written:
	case <-time.After(time.Second):
	}
}
