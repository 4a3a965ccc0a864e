package background

import (
	"context"
	"sync"
)

// Sequence runs tasks in the background one after the other, in the order in
// which they were given: what follows from an older roll must not come after what
// follows from a newer one.
type Sequence struct {
	mu   sync.Mutex
	last chan struct{} // closed when the newest task is done
}

// Run never blocks.
func (s *Sequence) Run(task func()) {
	done := make(chan struct{})
	s.mu.Lock()
	before := s.last
	s.last = done
	s.mu.Unlock()
	go func() {
		defer close(done)
		if before != nil {
			<-before
		}
		task()
	}()
}

// Wait returns when all that was given so far has returned, or ctx has ended.
func (s *Sequence) Wait(ctx context.Context) error {
	s.mu.Lock()
	last := s.last
	s.mu.Unlock()
	if last == nil {
		return nil
	}
	select {
	case <-last:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
