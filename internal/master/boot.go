package master

import (
	"sync"

	"relevo/internal/generations"
	"relevo/internal/succession"
)

// boot is the time until a worker serves for the first time. It passes to a
// successor like everything else.
type boot struct {
	sockets *generations.Hold      //  the first configuration's: a start that fails must not close them
	left    succession.LeftWorkers // serve until something of this master does

	mu       sync.Mutex
	fellBack bool // the newest release did not start
	over     bool // something has served
}

// state says whether the newest release did not start, and whether something has served.
func (b *boot) state() (fellBack, over bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fellBack, b.over
}

func (b *boot) isOver() bool {
	_, over := b.state()
	return over
}

// set is for a start that the previous master has begun.
func (b *boot) set(fellBack, over bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fellBack, b.over = fellBack, over
}

// fallBack notes that the newest release did not start.
func (b *boot) fallBack() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fellBack = true
}

// end notes that something has served, and says whether that is news.
func (b *boot) end() (first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	first, b.over = !b.over, true
	return first
}

// missing names what a start needs until its end.
func (b *boot) missing() []string {
	if b.sockets == nil && !b.isOver() {
		return []string{"first sockets"}
	}
	return nil
}
