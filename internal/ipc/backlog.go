package ipc

import (
	"sync"
	"time"
)

// backlog holds messages of a Node worker that are still to be delivered. Messages of its program
// wait here for their turn, which the limit decides. Urgent ones, those of Node itself and of this
// package, overtake them.
type backlog struct {
	internal           func(line []byte) bool
	limit, urgentLimit *throttle
	passed             int           // bytes that slowDown has not counted yet; owned by the reading goroutine
	wake               chan struct{} // capacity 1: a hint that something was added
	room               chan struct{} // capacity 1: a hint that something was taken

	mu            sync.Mutex
	urgent, other []Message
	queued        int   // the cost of all waiting messages, at most maxQueued
	ended         error // the error of the reading goroutine; nil: it still reads
}

func newBacklog(internal func(line []byte) bool, limit *throttle) *backlog {
	return &backlog{
		internal: internal, limit: limit, urgentLimit: newThrottle(limit.tell),
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
}

func hint(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (b *backlog) isUrgent(m Message) bool {
	app, is := m.(App)
	return !is || b.internal != nil && b.internal(app.Data)
}

// waits returns what a message counts towards maxQueued.
func waits(m Message) int {
	switch m := m.(type) {
	case App:
		return len(m.Data) + lineCost
	case Status:
		return len(m.Text) + lineCost
	}
	return lineCost
}

// add waits for room, and for urgent messages also for their limit, but no longer than until done.
func (b *backlog) add(m Message, done <-chan struct{}) {
	urgent := b.isUrgent(m)
	for !b.put(m, urgent) {
		select {
		case <-b.room:
		case <-done:
			b.mu.Lock() // Detach passes it on
			b.other = append(b.other, m)
			b.mu.Unlock()
			return
		}
	}
	hint(b.wake)
	if urgent {
		b.urgentLimit.pace(m, done)
	}
}

func (b *backlog) put(m Message, urgent bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.queued > 0 && b.queued+waits(m) > maxQueued {
		return false
	}
	b.queued += waits(m)
	if urgent {
		b.urgent = append(b.urgent, m)
	} else {
		b.other = append(b.other, m)
	}
	return true
}

// end notes why nothing more will be added.
func (b *backlog) end(err error) {
	b.mu.Lock()
	b.ended = err
	b.mu.Unlock()
	hint(b.wake)
}

// deliverAll delivers everything and returns the reason of the end, or ErrClosed at done.
func (b *backlog) deliverAll(deliver func(Message), done <-chan struct{}) error {
	var next time.Time // when the program's next message may be delivered
	for {
		select {
		case <-done:
			return b.reason(ErrClosed)
		default:
		}
		m, urgent := b.take(time.Now().Before(next))
		switch {
		case m != nil:
			deliver(m)
			if !urgent {
				now := time.Now()
				next = now.Add(b.limit.spend(now, cost(m)))
			}
		case b.reason(nil) != nil && b.empty():
			return b.reason(nil)
		default:
			b.await(next, done)
		}
	}
}

// take returns the next message, nil if there is none. With wait, it leaves the program's messages
// where they are, unless the channel has ended.
func (b *backlog) take(wait bool) (m Message, urgent bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	from := &b.urgent
	if len(*from) == 0 {
		if from = &b.other; len(*from) == 0 || wait && b.ended == nil {
			return nil, false
		}
	}
	m, (*from)[0] = (*from)[0], nil // the array stays in use, the message does not
	if *from = (*from)[1:]; len(*from) == 0 {
		*from = nil
	}
	b.queued -= waits(m)
	hint(b.room)
	return m, from == &b.urgent
}

func (b *backlog) reason(otherwise error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended != nil {
		return b.ended
	}
	return otherwise
}

func (b *backlog) empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.urgent)+len(b.other) == 0
}

// await returns when something was added, or when the next waiting message may be delivered.
func (b *backlog) await(next time.Time, done <-chan struct{}) {
	var due <-chan time.Time
	if !b.empty() {
		timer := time.NewTimer(time.Until(next))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-b.wake:
	case <-due:
	case <-done:
	}
}

// lines returns the waiting messages as lines, for another Channel to read. Both goroutines have
// ended.
func (b *backlog) lines() (all []byte) {
	if b == nil {
		return nil
	}
	for _, m := range append(b.urgent, b.other...) {
		if app, is := m.(App); is {
			all = append(append(all, app.Data...), '\n')
			continue
		}
		line, _ := Encode(m) // cannot fail for a kind that this version knows
		all = append(all, line...)
	}
	return all
}
