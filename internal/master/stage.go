package master

import (
	"context"
	"sync"

	"relevo/pool"
)

// stage is how far the master has come: which pool it has, whether it waits for something to
// start (Options.Await), and whether its end was asked for.
type stage struct {
	mu      sync.Mutex
	pool    *pool.Pool // another one after a failed start
	stopped bool
	cancel  context.CancelFunc // nil: there is no wait
	readers []chan pool.Event  // who would see what happens; closed when there is something to see, or at the end
}

// running is the pool; nil: there is none yet.
func (s *stage) running() *pool.Pool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pool
}

func (s *stage) use(p *pool.Pool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pool = p
}

// stop notes that the end was asked for.
func (s *stage) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
}

func (s *stage) stopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// await begins a wait, and ends it with a nil cancel.
func (s *stage) await(cancel context.CancelFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel = cancel
}

func (s *stage) waiting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cancel != nil
}

// subscribe returns events that do not come while there is a wait.
func (s *stage) subscribe() (events <-chan pool.Event, waiting bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel == nil {
		return nil, false
	}
	reader := make(chan pool.Event)
	s.readers = append(s.readers, reader)
	return reader, true
}

// release lets the readers go.
func (s *stage) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, reader := range s.readers {
		close(reader)
	}
	s.readers = nil
}

// end ends the wait early. It says false where there is none.
func (s *stage) end() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel()
	}
	return s.cancel != nil
}
