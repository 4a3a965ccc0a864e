package proxy

import "sync"

// tracker counts handlers. The server does not count those whose connection has switched protocols.
type tracker struct {
	mu      sync.Mutex
	running int
	ended   bool
	idle    chan struct{} // closed when the proxy has ended and no handler runs
}

func newTracker() *tracker { return &tracker{idle: make(chan struct{})} }

func (t *tracker) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return false
	}
	t.running++
	return true
}

func (t *tracker) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running--
	if t.ended && t.running == 0 {
		close(t.idle)
	}
}

// wait lets no handler begin any more, and returns when the last has ended. Call it once.
func (t *tracker) wait() {
	t.mu.Lock()
	t.ended = true
	if t.running == 0 {
		close(t.idle)
	}
	t.mu.Unlock()
	<-t.idle
}
