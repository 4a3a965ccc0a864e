package pool

import (
	"strconv"
	"time"
)

// Journal returns all events from the first one on. It is for one reader, which must not
// miss the beginning. It is closed when the pool ends.
func (p *Pool) Journal() <-chan Event { return p.journal.events }

// Subscribe returns all events from now on. The channel is closed by cancel or
// at the end of the pool. A reader that is too slow gets a KindLost event.
func (p *Pool) Subscribe() (events <-chan Event, cancel func(), err error) {
	s := newSubscriber(p.opts.App, subscriberBuffer)
	if err := p.call(func() { p.subscribers[s] = true }); err != nil {
		return nil, nil, err
	}
	cancel = func() {
		p.call(func() {
			if p.subscribers[s] {
				delete(p.subscribers, s)
				s.end()
			}
		})
	}
	return s.events, cancel, nil
}

// Publish publishes an event that happened outside of the pool. It never blocks, so the
// loop's callbacks may call it too. After the pool's end the event is dropped.
func (p *Pool) Publish(e Event) {
	e.Time = time.Now()
	go p.post(func() { p.publish(e) })
}

func (p *Pool) publish(e Event) {
	e.App = p.opts.App
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if e.Kind == KindHealed && len(e.Addresses) > 0 {
		p.tally.Heal(e.Addresses[0])
	}
	if matters(e) {
		p.recent.add(e)
	}
	bytes := share(len(p.subscribers))
	for s := range p.subscribers {
		s.send(e, bytes)
	}
}

func (p *Pool) publishFor(m *member, e Event) {
	if m == nil {
		return
	}
	e.Slot, e.ID, e.PID, e.Generation = &m.slot, strconv.Itoa(m.id), m.pid(), m.generation
	p.publish(e)
}
