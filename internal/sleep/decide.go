package sleep

import (
	"strings"
	"time"
)

// Sample is what a look at the workers shows.
type Sample struct {
	Held bool // a roll is under way, a worker starts, is on probation or leaves

	Open    int     // connections that are in use: Connection.InUse
	Waiting int     // connections that no worker has accepted
	Came    bool    // a client has come since the last look
	Said    float64 // highest load of a worker by its own word
	CPU     float64 // processors that all workers together use: Usage
}

// quiet is the use of processors of workers that do nothing to speak of.
const quiet = 0.05

// busy says whether there was a client, or work, since the last look.
func (s Sample) busy() bool {
	return s.Open > 0 || s.Waiting > 0 || s.Came || s.Said > 0 || s.CPU > quiet
}

// Decision is what follows from a Sample.
type Decision struct {
	Sleep  bool
	Reason string        // of the sleep
	Next   time.Duration // until the next look
}

// Pauses between two looks.
const (
	shortest = 50 * time.Millisecond
	longest  = 30 * time.Second
	part     = 20 // looks in the time without clients
)

// Decider decides for one pool. It is not safe for concurrent use.
type Decider struct {
	idle  time.Duration
	since time.Time // of the last look that found something
}

// New returns a decider that has the pool sleep when there was no client for a time. That time
// begins now.
func New(idle time.Duration, now time.Time) *Decider { return &Decider{idle: idle, since: now} }

// Idle returns the time given to New.
func (d *Decider) Idle() time.Duration { return d.idle }

// Begin restarts the time without clients.
func (d *Decider) Begin(now time.Time) { d.since = now }

// Decide takes a look into account, and says whether no worker is needed.
func (d *Decider) Decide(now time.Time, s Sample) Decision {
	if s.Held || s.busy() || now.Before(d.since) { // or the clock was put back
		d.since = now
	}
	left := d.idle - now.Sub(d.since)
	if left <= 0 {
		return Decision{Sleep: true, Reason: "no client for " + text(now.Sub(d.since)), Next: d.pause(d.idle)}
	}
	return Decision{Next: d.pause(left)}
}

// text is a duration without zeros at its end: 10m.
func text(d time.Duration) string {
	text := d.Round(time.Second).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = strings.TrimSuffix(text, zero[1:])
		}
	}
	return text
}

func (d *Decider) pause(left time.Duration) time.Duration {
	return max(min(left, d.idle/part, longest), shortest)
}
