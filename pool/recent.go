package pool

import (
	"slices"
	"time"
)

// Entry is something that has happened to an app and explains how it is now.
type Entry struct {
	Event
	// Times is how often the same has happened, at Time first and at Last last; 0: once.
	Times int       `json:"times,omitempty"`
	Last  time.Time `json:"last,omitzero"`
}

// recent holds the last entries. It passes from master to master with the pool, in a document
// that is written often: so it is small.
type recent struct{ entries []Entry }

// StepAsked tells why a roll was asked for, in Reason. It is in Recent alone.
const StepAsked Step = "asked"

const (
	recentEntries = 100
	recentBytes   = 32 << 10
	recentText    = 300 // bytes of each text
	recentLines   = 3   // of output
	// lookBack is how many entries are searched for one that has just happened again.
	lookBack = 8
)

// Recent returns what has happened lately, the oldest first.
func (p *Pool) Recent() ([]Entry, error) {
	var all []Entry
	err := p.call(func() { all = slices.Clone(p.recent.entries) })
	return all, err
}

// Note remembers something that is no event, such as who has asked for a roll. It never blocks.
func (p *Pool) Note(e Event) {
	e.Time = time.Now()
	go p.post(func() { p.recent.add(e) })
}

// matters says whether an event explains how the app is, and not only what it does all day.
func matters(e Event) bool {
	switch e.Kind {
	case KindStarted, KindStartFailed, KindResize, KindHung, KindRecycle, KindUnhealthy, KindHealed, KindFlood,
		KindWrongLoad, KindSuccession, KindAbandoned, KindSleep, KindWake:
		return true
	case KindExit:
		return e.Planned != nil && !*e.Planned
	case KindRoll:
		return e.Step != StepReplaced && e.Step != StepReverted
	}
	return false
}

// add keeps an event, shortened.
func (r *recent) add(e Event) {
	e.Data, e.App, e.Connections = nil, "", nil
	e.Tail = slices.Clone(e.Tail[max(len(e.Tail)-recentLines, 0):])
	for _, text := range []*string{&e.Text, &e.Reason, &e.Hint} {
		*text = shortened(*text)
	}
	for i, line := range e.Tail {
		e.Tail[i] = shortened(line)
	}
	for i := len(r.entries) - 1; i >= max(len(r.entries)-lookBack, 0); i-- {
		if known := &r.entries[i]; again(known.Event, e) {
			known.Times, known.Last, known.ID, known.PID = max(known.Times, 1)+1, e.Time, e.ID, e.PID
			return
		}
	}
	r.entries = append(r.entries, Entry{Event: e})
	for len(r.entries) > recentEntries || len(r.entries) > 1 && r.cost() > recentBytes {
		r.entries = slices.Delete(r.entries, 0, 1)
	}
}

// again says whether the same has happened to the same slot.
func again(a, b Event) bool {
	if a.Kind != b.Kind || a.Kind == KindRoll || a.Kind == KindResize || a.Kind == KindSuccession {
		return false
	}
	return slot(a) == slot(b) && a.Generation == b.Generation && a.Reason == b.Reason && a.Signal == b.Signal &&
		code(a) == code(b)
}

func slot(e Event) int {
	if e.Slot == nil {
		return -1
	}
	return *e.Slot
}

func code(e Event) int {
	if e.Code == nil {
		return -1
	}
	return *e.Code
}

func shortened(text string) string {
	if len(text) <= recentText {
		return text
	}
	return text[:recentText] + "…"
}

func (r *recent) cost() (bytes int) {
	for _, e := range r.entries {
		bytes += 200 + e.Event.cost() - eventCost
	}
	return bytes
}
