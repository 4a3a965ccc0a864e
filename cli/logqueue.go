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
	lost   int
	closed bool
}

// queuedLines is a burst of a large pool.
const queuedLines = 4096

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
		if _, err := to.Write(line); err != nil {
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
	select {
	case q.lines <- append([]byte(nil), line...):
	default:
		q.lost++
	}
	return len(line), nil
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
