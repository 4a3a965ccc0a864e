package feed

import (
	"context"
	"slices"
	"sync"
	"time"

	"relevo/internal/announce"
	"relevo/internal/control"
	"relevo/internal/monit"
	"relevo/pool"
)

// events follows the events of one app, from master to master.
type events struct {
	app     string
	reading bool
	stop    context.CancelFunc
	ended   sync.WaitGroup

	mu      sync.Mutex
	lines   []monit.Line
	heard   time.Time // of the newest event
	over    bool      // the stream has ended
	failure any       // a panic of the reader
}

// follow subscribes, unless it has; a stream that has ended is followed by that of the next
// master. A master that does not answer is not asked.
func (e *events) follow(ctx context.Context, connect func(context.Context, string) (*control.Client, error),
	answers bool) {
	e.mu.Lock()
	over, failure := e.over, e.failure
	e.over = false
	e.mu.Unlock()
	if failure != nil {
		panic(failure) // here it is handled, and the terminal given back
	}
	if over {
		e.close()
		e.reading = false
	}
	if e.reading || !answers {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	client, err := connect(ctx, e.app)
	if err != nil {
		cancel()
		return // it is tried again at the next look
	}
	stream, err := client.Events(ctx)
	if err != nil {
		cancel()
		return
	}
	e.reading, e.stop = true, cancel
	known := e.recall(ctx, client)
	e.ended.Go(func() { e.read(stream, known) })
}

// recall adds what the master remembers and was not heard: what happened before, or while another
// master took over. It returns until when that reaches. A master that remembers nothing, or is
// older, is none the worse.
func (e *events) recall(ctx context.Context, client *control.Client) (until time.Time) {
	e.mu.Lock()
	heard := e.heard
	e.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, recallPatience)
	defer cancel()
	entries, err := client.Recent(ctx)
	if err != nil {
		return until
	}
	for _, entry := range entries {
		if entry.Time.After(heard) {
			e.add(entry.Event)
		}
		until = entry.Time
		if entry.Last.After(until) {
			until = entry.Last
		}
	}
	return until
}

// recallPatience is how long a master may take to answer what it remembers.
const recallPatience = 2 * time.Second

// read adds what happens after a time, until the stream ends.
func (e *events) read(stream *control.EventStream, known time.Time) {
	defer func() {
		stream.Close()
		e.mu.Lock()
		defer e.mu.Unlock()
		e.over, e.failure = true, recover()
	}()
	for {
		event, _, err := stream.Next()
		if err != nil {
			return
		}
		if known.IsZero() || event.Time.After(known) {
			e.add(event)
		}
	}
}

func (e *events) add(event pool.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if event.Time.After(e.heard) {
		e.heard = event.Time
	}
	bad, text := announce.Sentence(event)
	if text == "" {
		return
	}
	line := monit.Line{Time: event.Time, Slot: -1, Text: text, Bad: bad}
	if event.Slot != nil {
		line.Slot = *event.Slot
	}
	if e.lines = append(e.lines, line); len(e.lines) > keptLines {
		e.lines = slices.Delete(e.lines, 0, len(e.lines)-keptLines)
	}
}

func (e *events) newest() ([]monit.Line, string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	note := "no master answers"
	if e.reading {
		note = "nothing has happened yet"
	}
	return slices.Clone(e.lines), note
}

func (e *events) close() {
	if e != nil && e.stop != nil {
		e.stop()
		e.ended.Wait()
		e.stop = nil
	}
}
