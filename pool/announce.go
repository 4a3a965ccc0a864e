package pool

import (
	"time"

	"relevo/internal/ipc"
)

// A message about the pool's state lists all workers, and goes to all workers: its cost
// grows with the square of their number, and it wakes all of them up. So small pools announce
// each change at once; large ones wait, because a worker that has died is just being replaced,
// and its successor should not have to share the processors with all others, and announce
// several changes together.
const (
	fewWorkers    = 16
	pauseEach     = 5 * time.Microsecond // for each worker and each worker in the list
	longestSilent = time.Second
)

// announcePause is the least time between two announcements to n workers, and between a change and
// its announcement.
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
	due := p.announceDue()
	if next.IsZero() || due.Before(next) {
		return due
	}
	return next
}

// announceDue is when a change is to be announced.
func (p *Pool) announceDue() time.Time {
	since := p.announced
	if p.changedAt.After(since) {
		since = p.changedAt
	}
	return since.Add(announcePause(len(p.members)))
}

// announce sends every worker the new state of the pool. If the last announcement is too
// recent, the loop calls it again later.
func (p *Pool) announce() {
	now := time.Now()
	if !p.changed || p.frozen != nil {
		return
	}
	if p.changedAt.IsZero() {
		p.changedAt = now
	}
	if now.Before(p.announceDue()) {
		return
	}
	p.changed, p.changedAt, p.announced = false, time.Time{}, now
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
