package pool

import (
	"time"

	"relevo/internal/ipc"
)

// What a change costs to announce grows with the square of the number of workers:
// each has to read of all. Small pools tell of each change at once, large ones of
// several together.
const (
	fewWorkers    = 16
	pauseEach     = 5 * time.Microsecond // for each worker and each that it is told of
	longestSilent = time.Second
)

// announcePause is the least time between two announcements to n workers.
func announcePause(n int) time.Duration {
	if n <= fewWorkers {
		return 0
	}
	return min(time.Duration(n)*time.Duration(n)*pauseEach, longestSilent)
}

// next is when the loop has to do something of its own accord, zero for never.
func (p *Pool) next() time.Time {
	next := p.machine.Next()
	if !p.changed {
		return next
	}
	due := p.announced.Add(announcePause(len(p.members)))
	if next.IsZero() || due.Before(next) {
		return due
	}
	return next
}

// announce tells every worker the new state of the pool, unless it is too soon
// after the last time; then the loop comes back to it.
func (p *Pool) announce() {
	now := time.Now()
	if !p.changed || p.frost != nil || now.Before(p.announced.Add(announcePause(len(p.members)))) {
		return
	}
	p.changed, p.announced = false, now
	peers := []ipc.Peer{}
	for _, w := range p.status().Workers {
		if w.ID != "" {
			peers = append(peers, ipc.Peer{Slot: w.Slot, ID: w.ID, PID: w.PID, Generation: w.Generation, State: w.State})
		}
	}
	state, err := ipc.ForAll(peers)
	if err != nil {
		panic("internal error: pool: " + err.Error()) // plain values
	}
	for _, m := range p.members {
		if m.process != nil && !m.abandoned {
			state.Slot, state.Generation = m.slot, m.generation
			m.process.Send(state) // a worker that has no channel, or does not read it, does not need to know
		}
	}
}
