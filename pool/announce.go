package pool

import (
	"time"

	"relevo/internal/ipc"
)

// A message about the pool's state lists all workers, and goes to all workers: its cost
// grows with the square of their number. So small pools announce each change at once,
// large ones several changes together.
const (
	fewWorkers    = 16
	pauseEach     = 5 * time.Microsecond // for each worker and each worker in the list
	longestSilent = time.Second
)

// announcePause is the least time between two announcements to n workers.
func announcePause(n int) time.Duration {
	if n <= fewWorkers {
		return 0
	}
	return min(time.Duration(n)*time.Duration(n)*pauseEach, longestSilent)
}

// next is when the loop has to wake up by itself, zero for never.
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

// announce sends every worker the new state of the pool. If the last announcement is too
// recent, the loop calls it again later.
func (p *Pool) announce() {
	now := time.Now()
	if !p.changed || p.frozen != nil || now.Before(p.announced.Add(announcePause(len(p.members)))) {
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
