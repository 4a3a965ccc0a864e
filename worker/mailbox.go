package worker

import "sync"

// mailbox hands values to one function, in order and one at a time, on a goroutine that
// lives only while there are values. put never waits.
type mailbox[T any] struct {
	newestOnly bool        // a value replaces a waiting one, and a new function gets the last one
	limit      int         // of all waiting values, in the unit of size
	size       func(T) int // nil: nothing is dropped
	onLoss     func(total uint64)

	mu      sync.Mutex
	f       func(T)
	waiting []T
	last    *T // of a newestOnly mailbox
	used    int
	running bool
	lost    uint64
	full    bool // so that a run of losses is reported once
}

func (b *mailbox[T]) put(v T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.newestOnly {
		b.waiting, b.last = b.waiting[:0], &v
	}
	if b.size != nil && b.used+b.size(v) > b.limit {
		b.lost++
		if !b.full {
			b.full = true
			b.onLoss(b.lost)
		}
		return
	}
	b.full = false
	b.waiting = append(b.waiting, v)
	if b.size != nil {
		b.used += b.size(v)
	}
	b.startLocked()
}

// handle sets the function; nil makes values wait.
func (b *mailbox[T]) handle(f func(T)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.f = f
	if b.last != nil {
		b.waiting = append(b.waiting[:0], *b.last)
	}
	b.startLocked()
}

func (b *mailbox[T]) startLocked() {
	if !b.running && b.f != nil && len(b.waiting) > 0 {
		b.running = true
		go b.run()
	}
}

func (b *mailbox[T]) run() {
	for {
		f, v, ok := b.next()
		if !ok {
			return
		}
		f(v)
	}
}

func (b *mailbox[T]) next() (f func(T), v T, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.f == nil || len(b.waiting) == 0 {
		b.running = false
		b.waiting = nil // an idle mailbox keeps no memory
		return nil, v, false
	}
	v, b.waiting = b.waiting[0], b.waiting[1:]
	if b.size != nil {
		b.used -= b.size(v)
	}
	return b.f, v, true
}

func (b *mailbox[T]) lostSoFar() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lost
}
