package ipc

import "time"

// bucket is a token bucket: burst at once, rate a second for ever.
type bucket struct {
	rate, burst float64
	tokens      float64 // below 0: a debt
	last        time.Time
}

func newBucket(rate, burst float64, now time.Time) bucket {
	return bucket{rate: rate, burst: burst, tokens: burst, last: now}
}

func (b *bucket) fill(now time.Time) {
	b.tokens = min(b.burst, b.tokens+now.Sub(b.last).Seconds()*b.rate)
	b.last = now
}

// take says whether there was a token.
func (b *bucket) take(now time.Time) bool {
	if b.fill(now); b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// spend takes what it costs, on credit if need be, and returns how long to wait
// until the debt is paid. A small debt waits for more to come: one timer for many
// messages.
func (b *bucket) spend(now time.Time, cost float64) time.Duration {
	b.fill(now)
	if b.tokens -= cost; b.tokens > -b.rate/20 {
		return 0
	}
	return time.Duration(-b.tokens / b.rate * float64(time.Second))
}

// Flood tells of a sender that says more than it may.
type Flood struct {
	Count int           // messages over the limit since the last Flood told of them
	For   time.Duration // without a pause of a second
}

// A flood is told of when it is a second old, and every ten seconds then.
const (
	firstTold = time.Second
	nextTold  = 10 * time.Second
	pause     = time.Second // ends a flood
)

// flood counts what is over the limit.
type flood struct {
	count       int
	began, last time.Time
	due         time.Time
}

// add counts one more and returns what to tell, if it is time.
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
