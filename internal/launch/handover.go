package launch

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"relevo/internal/config"
)

// handovers are all handovers that have not ended. The zero value works.
type handovers struct {
	mu     sync.Mutex
	all    map[*handover]bool
	turn   int       // which worker takes the next connection
	paused time.Time // no handover begins before this time: another master is about to take over
}

// add registers a handover. It returns false if none may begin now.
func (h *handovers) add(one *handover) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.isPausedLocked() {
		return false
	}
	if h.all == nil {
		h.all = map[*handover]bool{}
	}
	h.all[one] = true
	return true
}

// isPaused says whether another master is about to take over.
func (h *handovers) isPaused() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.isPausedLocked()
}

func (h *handovers) isPausedLocked() bool { return time.Now().Before(h.paused) }

func (h *handovers) remove(one *handover) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.all, one)
}

const (
	// handoverPatience is how long a worker may take to accept a connection that it is sent.
	handoverPatience = 4 * time.Second
	// finishPatience is how long a succession waits for the end of all handovers.
	finishPatience = 6 * time.Second
	// pausePatience is how long a succession may take to succeed or fail.
	pausePatience = 20 * time.Second
)

// finish ends all handovers, because another master is about to take over. It has to be
// called while this master can still send messages to workers.
func (h *handovers) finish(ctx context.Context) {
	h.mu.Lock()
	h.paused = time.Now().Add(pausePatience)
	var all []*handover
	for one := range h.all {
		all = append(all, one)
	}
	h.mu.Unlock()
	patience := time.NewTimer(finishPatience)
	defer patience.Stop()
	for _, one := range all {
		one.finish()
		select {
		case <-one.done:
		case <-patience.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// resume allows handovers again: a succession has failed, or this master has just begun.
func (h *handovers) resume() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.paused = time.Time{}
}

// handsOver says whether connections of the worker can be given to another worker. While another
// master is about to take over, the other workers may have been detached already: then the next
// master finds out.
func (p *Process) handsOver() bool {
	l := p.release.launcher
	return p.primary != nil && p.release.command.Rescue != config.RescueOff &&
		(len(l.takers(p.order.Slot, p)) > 0 || l.handovers.isPaused())
}

// takeNoMore stops handovers to this worker, because it leaves. arrived says whether all
// connections that were sent to it have arrived.
func (p *Process) takeNoMore() (arrived func() bool) {
	if p.primary == nil {
		return func() bool { return true }
	}
	p.primary.TakeNoMore()
	return func() bool { return !p.primary.Taking() }
}

// takers returns the workers of Node's cluster that stay. The worker of the same slot comes
// first, because clients may stick to slots; the order of the others changes with each call.
// A canary on trial is left out, because it must get no more than its share of clients.
func (l *Launcher) takers(slot int, leaves *Process) (all []*Process) {
	l.mu.Lock()
	for _, q := range l.byPID {
		// Before it is settled, what else it has may still be written.
		stays := q.isSettled() && q.primary != nil && !q.asked.Load() && !q.led.Load()
		if q != leaves && stays && !q.binder.onTrial(q.order) {
			all = append(all, q)
		}
	}
	l.mu.Unlock()
	if len(all) < 2 {
		return all
	}
	slices.SortFunc(all, func(a, b *Process) int { return a.pid - b.pid })
	l.handovers.mu.Lock()
	l.handovers.turn++
	first := l.handovers.turn % len(all)
	l.handovers.mu.Unlock()
	all = slices.Concat(all[first:], all[:first])
	slices.SortStableFunc(all, func(a, b *Process) int { return a.distance(slot) - b.distance(slot) })
	return all
}

// distance returns 0 for a worker of the slot, 1 for others.
func (p *Process) distance(slot int) int {
	if p.order.Slot == slot {
		return 0
	}
	return 1
}

func everyClient(netip.Addr) bool { return true }
