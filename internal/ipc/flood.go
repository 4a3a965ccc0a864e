package ipc

import "time"

// Flood describes a sender that sends more than it may.
type Flood struct {
	Count int           // messages over the limit since the last Flood
	For   time.Duration // without a pause of a second
}

// A flood is reported when it is a second old, and then every ten seconds.
const (
	firstTold = time.Second
	nextTold  = 10 * time.Second
	pause     = time.Second // ends a flood
)

// flood counts the messages over the limit.
type flood struct {
	count       int
	began, last time.Time
	due         time.Time
}

// add counts one more message and returns what to report, if it is time.
func (f *flood) add(now time.Time) (tell Flood, due bool) {
	if f.last.IsZero() || now.Sub(f.last) >= pause {
		f.began, f.due = now, later(f.due, now.Add(firstTold))
	}
	f.last = now
	f.count++
	if now.Before(f.due) {
		return Flood{}, false
	}
	tell = Flood{Count: f.count, For: now.Sub(f.began)}
	f.count, f.due = 0, now.Add(nextTold)
	return tell, true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
