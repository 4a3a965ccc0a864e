package test

import (
	"context"
	"slices"
	"sync"

	"relevo/pool"
)

// eventLog keeps the events of a site from some moment on.
type eventLog struct {
	site  *site
	close func() // ends the recording
	mu    sync.Mutex
	all   []pool.Event
}

// record starts listening. No event after its return is missed.
func (s *site) record() *eventLog {
	s.t.Helper()
	stream, err := s.client.Events(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	l := &eventLog{site: s, close: sync.OnceFunc(func() { stream.Close() })}
	s.t.Cleanup(l.close)
	go func() {
		for {
			e, _, err := stream.Next()
			if err != nil {
				return
			}
			l.mu.Lock()
			l.all = append(l.all, e)
			l.mu.Unlock()
		}
	}()
	return l
}

// of returns the events of a kind that have come so far.
func (l *eventLog) of(kind pool.Kind) []pool.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.all), func(e pool.Event) bool { return e.Kind != kind })
}

// await waits until there are n events of a kind, and returns all events of that kind.
func (l *eventLog) await(kind pool.Kind, n int) []pool.Event {
	l.site.t.Helper()
	l.site.await(string(kind), func() bool { return len(l.of(kind)) >= n })
	return l.of(kind)
}

// inSlot returns the worker that serves a slot.
func (s *site) inSlot(slot int) pool.Worker {
	s.t.Helper()
	var found pool.Worker
	s.await("a worker to serve the slot", func() bool {
		for _, w := range s.status().Workers {
			if w.Slot == slot && w.State == "serving" {
				found = w
				return true
			}
		}
		return false
	})
	return found
}

// tell makes the worker of a slot do something (test/app/misdeeds.go) and returns the worker.
func (s *site) tell(slot int, misdeed string) pool.Worker {
	s.t.Helper()
	w := s.inSlot(slot)
	if _, err := s.client.Send(context.Background(), pool.Target{ID: w.ID}, []byte(`"`+misdeed+`"`)); err != nil {
		s.t.Fatal(err)
	}
	return w
}
