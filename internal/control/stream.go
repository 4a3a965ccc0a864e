package control

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

const (
	// eventWrites is how many events are written to clients at the same time, because an
	// event may have a megabyte, and a client may read nothing of it.
	eventWrites = 16
	// deafAfter is how long a client may take for one event while others wait.
	deafAfter = 3 * time.Second
)

// writes limits how many events are written at the same time. If all of these writes wait for
// clients that do not read, the oldest ones are cut off.
type writes struct {
	room      chan struct{}
	deafAfter time.Duration

	mu    sync.Mutex
	under []*write // under way, the oldest first
}

// write is one event on its way to a client.
type write struct {
	began time.Time
	cut   func()
}

func newWrites() *writes {
	return &writes{room: make(chan struct{}, eventWrites), deafAfter: deafAfter}
}

// begin waits until the event may be written, and returns nil if ctx ends before that. cut is
// called if the write has to make room.
func (w *writes) begin(ctx context.Context, cut func()) *write {
	select {
	case w.room <- struct{}{}:
		return w.add(cut)
	default:
	}
	again := time.NewTicker(w.deafAfter)
	defer again.Stop()
	for {
		select {
		case w.room <- struct{}{}:
			return w.add(cut)
		case <-again.C:
			w.cutOldest()
		case <-ctx.Done():
			return nil
		}
	}
}

func (w *writes) add(cut func()) *write {
	w.mu.Lock()
	defer w.mu.Unlock()
	one := &write{began: time.Now(), cut: cut}
	w.under = append(w.under, one)
	return one
}

func (w *writes) end(one *write) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.remove(one)
	<-w.room
}

// remove removes a write. The caller holds w.mu.
func (w *writes) remove(one *write) {
	for i := range w.under {
		if w.under[i] == one {
			w.under = append(w.under[:i], w.under[i+1:]...)
			return
		}
	}
}

func (w *writes) cutOldest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.under) == 0 || time.Since(w.under[0].began) < w.deafAfter {
		return
	}
	oldest := w.under[0]
	w.remove(oldest)
	oldest.cut()
}

// events streams events until the pool ends or the client goes away. The headers are sent at
// once: they tell the client that it receives all later events.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	events, cancel, err := s.master.Subscribe()
	if err != nil {
		answer(w, nil, err)
		return
	}
	defer cancel()
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w)
	flush.Flush()
	ctx, end := s.present(r.Context())
	defer end()
	cut := func() { _ = flush.SetWriteDeadline(time.Unix(1, 0)) } // if it fails the connection has ended
	for lines := json.NewEncoder(w); ; {
		select {
		case e, open := <-events:
			if !open {
				return
			}
			write := s.writes.begin(ctx, cut)
			if write == nil {
				return
			}
			err := lines.Encode(e)
			if err == nil && len(events) == 0 {
				err = flush.Flush()
			}
			if s.writes.end(write); err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
