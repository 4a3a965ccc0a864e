package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
)

func TestLogQueueKeepsOrder(t *testing.T) {
	var out bytes.Buffer
	q := newLogQueue(&out)
	for i := range 100 {
		fmt.Fprintf(q, "line %d\n", i)
	}
	q.close()
	for i, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		if line != fmt.Sprintf("line %d", i) {
			t.Fatalf("line %d is %q", i, line)
		}
	}
	if _, err := q.Write([]byte("late\n")); err != io.ErrClosedPipe {
		t.Errorf("a line after the end: %v", err)
	}
}

// TestLogQueueNeverBlocks writes more than fits to a reader that does not read yet. When it reads,
// it learns how many lines were lost.
func TestLogQueueNeverBlocks(t *testing.T) {
	reader, writer := io.Pipe()
	q := newLogQueue(writer)
	const lines = queuedLines + 1000
	for range lines {
		q.Write([]byte("a line\n"))
	}
	read := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(reader)
		read <- string(text)
	}()
	q.close()
	writer.Close()
	text := <-read
	got := strings.Count(text, "a line\n")
	if got >= lines || !strings.Contains(text, fmt.Sprintf("relevo: %d log lines lost", lines-got)) {
		t.Errorf("%d of %d lines came, and the loss is not told: …%s", got, lines, text[max(0, len(text)-80):])
	}
}

// lazyPipe has no reader at first.
type lazyPipe struct {
	broken bool
	out    bytes.Buffer
}

func (p *lazyPipe) Write(b []byte) (int, error) {
	if p.broken {
		return 0, syscall.EPIPE
	}
	return p.out.Write(b)
}

// TestLogQueueReaderGone: lines that had no reader are counted, and the next reader learns the
// number.
func TestLogQueueReaderGone(t *testing.T) {
	p := &lazyPipe{broken: true}
	q := &logQueue{lines: make(chan *queuedLine, 10), written: make(chan struct{})}
	for range 3 {
		q.Write([]byte("a line\n"))
	}
	close(q.lines)
	q.run(p)
	p.broken, q.lines, q.written = false, make(chan *queuedLine, 1), make(chan struct{})
	q.Write([]byte("the fourth\n"))
	close(q.lines)
	q.run(p)
	if got, want := p.out.String(), "the fourth\nrelevo: 3 log lines lost: the log was not read\n"; got != want {
		t.Errorf("written is %q, want %q", got, want)
	}
}

// TestLogQueueBytes: long lines together take no more memory than the limit.
func TestLogQueueBytes(t *testing.T) {
	reader, writer := io.Pipe()
	q := newLogQueue(writer)
	long := bytes.Repeat([]byte("x"), 1<<20)
	for range 100 {
		q.Write(long)
	}
	q.mu.Lock()
	if q.held > queuedBytes || q.held < queuedBytes/2 || q.lost < 90 {
		t.Errorf("%d bytes are held, %d lines are lost", q.held, q.lost)
	}
	q.mu.Unlock()
	go io.Copy(io.Discard, reader)
	q.close()
	writer.Close()
	<-q.written
	if q.held != 0 {
		t.Errorf("%d bytes are held at the end", q.held)
	}
}
