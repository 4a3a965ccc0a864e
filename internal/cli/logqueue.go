package cli

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// logQueue lets nobody wait for the log. A terminal that is held with Ctrl-S, or
// a pipe that nobody reads, blocks the goroutine that writes; lines that find the
// queue full are dropped and counted.
type logQueue struct {
	lines   chan []byte
	written chan struct{} // closed when the last line is written

	mu     sync.Mutex
	held   int // bytes of the lines that are queued or being written
	lost   int
	closed bool
}

// queuedLines is a burst of a large pool; queuedBytes bounds what long lines take.
const (
	queuedLines = 4096
	queuedBytes = 4 << 20
)

func newLogQueue(to io.Writer) *logQueue {
	q := &logQueue{lines: make(chan []byte, queuedLines), written: make(chan struct{})}
	go q.run(to)
	return q
}

// run writes what is queued until there will be no more.
func (q *logQueue) run(to io.Writer) {
	defer close(q.written)
	for line := range q.lines {
		// There is nobody to tell that the log is broken; a pipe may have a
		// reader again later.
		_, err := to.Write(line)
		q.let(len(line))
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
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0, io.ErrClosedPipe
	}
	if q.held > 0 && q.held+len(line) > queuedBytes {
		q.lost++
		return len(line), nil
	}
	select {
	case q.lines <- append([]byte(nil), line...):
		q.held += len(line)
	default:
		q.lost++
	}
	return len(line), nil
}

// let makes room again.
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

// close writes what is queued, as far as that is possible within a moment.
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
