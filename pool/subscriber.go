package pool

import "time"

// subscriber is one reader of events. A reader that falls behind loses events
// and is told how many; it never holds the pool up.
type subscriber struct {
	app    string
	events chan Event // closed by the loop
	lost   int        // not reported yet
	costs  []int      // of the events that may still be in the channel, oldest first
	held   int        // their sum
}

const (
	// subscriberBuffer holds the burst of a roll of a large pool.
	subscriberBuffer = 1024
	// subscribersBytes bounds the unread events of all readers together. Each reader may hold
	// its share of that, at least leastShare, or one larger event.
	subscribersBytes = 8 << 20
	leastShare       = 256 << 10
	// messagesOf is the part of the places and the bytes that may hold what workers say, in
	// quarters. The rest is for what happens to them: a flood of messages does not hide it.
	messagesOf = 3
)

// share is how many bytes each of n readers may hold.
func share(n int) int { return max(subscribersBytes/max(n, 1), leastShare) }

// newSubscriber has places for so many events.
func newSubscriber(app string, places int) *subscriber {
	// One place more, so that there is always room for KindLost.
	return &subscriber{app: app, events: make(chan Event, places+1)}
}

// send is called only by the loop, so the free room in the channel can only grow
// meanwhile. bytes bounds the events that wait.
func (s *subscriber) send(e Event, bytes int) {
	s.forget()
	places, cost := 1, e.cost()
	if s.lost > 0 {
		places, cost = 2, cost+eventCost
	}
	room := subscriberBuffer
	if e.Kind == KindMessage || e.Kind == KindStatus {
		room, bytes = room*messagesOf/4, bytes*messagesOf/4
	}
	fits := len(s.costs) == 0 || s.held+cost <= bytes
	if room-len(s.events) < places || !fits {
		s.lost++
		return
	}
	if s.lost > 0 {
		s.tellLoss()
	}
	s.put(e)
}

// forget subtracts the costs of events that have been read.
func (s *subscriber) forget() {
	read := len(s.costs) - len(s.events)
	for _, cost := range s.costs[:read] {
		s.held -= cost
	}
	if s.costs = s.costs[read:]; len(s.costs) == 0 {
		s.costs = nil
	}
}

func (s *subscriber) put(e Event) {
	cost := e.cost()
	s.costs, s.held = append(s.costs, cost), s.held+cost
	s.events <- e
}

func (s *subscriber) tellLoss() {
	s.put(Event{Time: time.Now(), Kind: KindLost, App: s.app, Count: s.lost})
	s.lost = 0
}

func (s *subscriber) end() {
	if s.lost > 0 {
		s.tellLoss()
	}
	close(s.events)
}
