package pool

import "time"

// subscriber is one reader of events. A reader that falls behind loses events
// and is told how many; it never holds the pool up.
type subscriber struct {
	app    string
	events chan Event // closed by the loop
	lost   int        // not told yet
	costs  []int      // of the events that may still be in the channel, oldest first
	held   int        // their sum
}

const (
	// subscriberBuffer holds the burst of a roll of a large pool.
	subscriberBuffer = 1024
	// All readers together hold so many bytes of events that they have not read, each
	// of them at least its least share, or one event that is larger.
	subscribersBytes = 8 << 20
	leastShare       = 256 << 10
)

// share is what each of n readers may hold.
func share(n int) int { return max(subscribersBytes/max(n, 1), leastShare) }

func newSubscriber(app string) *subscriber {
	// One place more, kept free for the last word.
	return &subscriber{app: app, events: make(chan Event, subscriberBuffer+1)}
}

// send is called by the loop alone, so there is never less room than it sees. The
// events that wait may cost so many bytes.
func (s *subscriber) send(e Event, bytes int) {
	s.forget()
	places, cost := 1, e.cost()
	if s.lost > 0 {
		places, cost = 2, cost+eventCost
	}
	fits := len(s.costs) == 0 || s.held+cost <= bytes
	if subscriberBuffer-len(s.events) < places || !fits {
		s.lost++
		return
	}
	if s.lost > 0 {
		s.tellLoss()
	}
	s.put(e)
}

// forget takes the costs away of what has been read.
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
