package listeners

import (
	"sync"
	"time"
)

// lookEvery is the time between two inspections of the listeners while workers are young.
// Programs change their sockets when they start.
const lookEvery = 50 * time.Millisecond

// looker looks every lookEvery until a deadline. Without one it is not there.
type looker struct {
	mu     sync.Mutex
	until  time.Time
	active bool
	stop   chan struct{} // closed by close
	gone   sync.WaitGroup
}

// Watch inspects the listeners every 50 ms for the time d, because the kernel does not
// report that a socket was made blocking or that its accept queue was shortened. If
// called several times, it ends at the latest end; after that it costs nothing.
func (s *Set) Watch(d time.Duration) {
	k := &s.looker
	k.mu.Lock()
	defer k.mu.Unlock()
	if until := time.Now().Add(d); until.After(k.until) {
		k.until = until
	}
	if k.active || k.stop == nil {
		return
	}
	k.active = true
	stop := k.stop
	k.gone.Go(func() { k.run(stop, func() { s.Inspect() }) })
}

func (k *looker) run(stop <-chan struct{}, look func()) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for !k.over() {
		select {
		case <-ticker.C:
			look()
		case <-stop:
			return
		}
	}
}

func (k *looker) over() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.active = time.Now().Before(k.until)
	return !k.active
}

// close ends looking; it may be called again.
func (k *looker) close() {
	k.mu.Lock()
	if k.stop != nil {
		close(k.stop)
		k.stop = nil
	}
	k.mu.Unlock()
	k.gone.Wait()
}
