package launch

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"relevo/internal/config"
)

// handovers are those that are under way. The zero value works.
type handovers struct {
	mu     sync.Mutex
	all    map[*handover]bool
	turn   int       // which worker takes the next connection
	paused time.Time // no handover begins before that: another master is about to follow
}

// add says false where none may begin now.
func (h *handovers) add(one *handover) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Now().Before(h.paused) {
		return false
	}
	if h.all == nil {
		h.all = map[*handover]bool{}
	}
	h.all[one] = true
	return true
}

func (h *handovers) remove(one *handover) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.all, one)
}

const (
	// handoverPatience is for how long the answer of a worker to a connection is waited for.
	handoverPatience = 2 * time.Second
	// leavePatience is for how long a succession waits for the end of all handovers.
	leavePatience = 3 * time.Second
	// pausePatience is for how long a master that no other follows may take to know that.
	pausePatience = 20 * time.Second
)

// finish ends all handovers, because another master is about to follow. It has to be
// called while this master can still send to workers.
func (h *handovers) finish(ctx context.Context) {
	h.mu.Lock()
	h.paused = time.Now().Add(pausePatience)
	var all []*handover
	for one := range h.all {
		all = append(all, one)
	}
	h.mu.Unlock()
	patience := time.NewTimer(leavePatience)
	defer patience.Stop()
	for _, one := range all {
		one.leave()
		select {
		case <-one.done:
		case <-patience.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// resume is told that this master goes on, or has just begun.
func (h *handovers) resume() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.paused = time.Time{}
}

// handsOver says whether connections of the worker can go to another one.
func (p *Process) handsOver() bool {
	return p.primary != nil && p.release.command.Rescue != config.RescueOff &&
		len(p.release.launcher.takers(p.order.Slot, p)) > 0
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

// takers are the workers of Node's cluster that stay: the one in the same slot first, for
// clients may stick to slots, and each time another one of the others. A canary on trial is
// to get no more clients than it does.
func (l *Launcher) takers(slot int, leaves *Process) (all []*Process) {
	l.mu.Lock()
	for _, q := range l.byPID {
		stays := q.primary != nil && q.isSettled() && !q.asked.Load() && !q.led.Load()
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

// distance is 0 for a worker of the slot.
func (p *Process) distance(slot int) int {
	if p.order.Slot == slot {
		return 0
	}
	return 1
}

func everyClient(netip.Addr) bool { return true }
