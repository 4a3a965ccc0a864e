package launch

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/procfs"
	"relevo/internal/rescue"
	"relevo/pool"
)

// roomPatience is how long an idle connection of a worker that has ended waits for its
// next request.
const roomPatience = 2 * time.Minute

// handover gives the idle connections of a leaving Node worker to other workers. A
// connection is given as soon as its next request has arrived and the leaving worker has
// closed it. The handover may take longer than the worker lives.
type handover struct {
	launcher *Launcher
	p        *Process // the leaving worker; nil: it ended while no master lived
	slot     int
	sink     func(pool.Report)
	held     []*rescue.Connection // the worker may still have them open
	room     *rescue.Room         // for those that wait for a request; nil: none does
	since    time.Time
	pidfd    int // of the worker; -1: none

	once      sync.Once
	finishing chan struct{} // closed by finish: another master follows
	done      chan struct{}
}

// handOver starts the handover of the worker's idle connections, before the worker gets
// the stop signal. Connections that cannot be handed over stay in holding. It returns
// false if another master is about to take over and will do this instead.
func (p *Process) handOver(holding *rescue.Holding) bool {
	if !p.handsOver() {
		return true
	}
	h := p.newHandover()
	if !h.launcher.handovers.add(h) {
		unix.Close(h.pidfd)
		return false
	}
	var err error
	if h.held, err = holding.Depart(); err != nil {
		h.launcher.unrescued(err)
	}
	for _, c := range h.held {
		h.launcher.kept.keep(h.slot, c)
	}
	p.tally.handOver(h.inodes())
	p.sink(pool.FilesAdded{}) // for the legacy
	go h.run()
	return true
}

func (p *Process) newHandover() *handover {
	h := newHandover(p.release.launcher, p.order.Slot, p.sink)
	h.p = p
	var err error
	if h.pidfd, err = unix.PidfdOpen(p.pid, 0); err != nil {
		h.pidfd = -1 // it has ended, and a relay is for one that lives
	}
	return h
}

func newHandover(l *Launcher, slot int, sink func(pool.Report)) *handover {
	return &handover{launcher: l, slot: slot, sink: sink, pidfd: -1, since: time.Now(), finishing: make(chan struct{}),
		done: make(chan struct{})}
}

func (h *handover) inodes() (all []uint64) {
	for _, c := range h.held {
		all = append(all, c.Inode)
	}
	return all
}

// finish asks the handover to end soon.
func (h *handover) finish() { h.once.Do(func() { close(h.finishing) }) }

func (h *handover) run() {
	defer close(h.done)
	defer h.launcher.handovers.remove(h)
	defer unix.Close(h.pidfd)
	var gone chan struct{}
	if h.p != nil {
		gone = h.p.gone
	}
	finishing, late := h.finishing, (<-chan time.Time)(nil)
	for pause := departureFirst; len(h.held) > 0; pause = min(2*pause, departureLast) {
		wait := time.NewTimer(restAfter(pause, func() { h.give(h.freed()) }))
		select {
		case <-finishing:
			h.give(h.freed())
			h.held = h.launcher.kept.bequeath(h.slot, h.held)   // the next master hands them over
			finishing, late = nil, time.After(finishPatience/2) // the worker may have got its stop signal
		case <-late:
			h.giveBack()
		case <-gone:
			gone = nil
		case <-wait.C:
		}
		wait.Stop()
	}
	h.attend()
}

// freed removes from held the connections that the worker has closed, and returns them.
func (h *handover) freed() (free []*rescue.Connection) {
	has := map[uint64]bool{}
	if h.p != nil {
		has = h.p.openSockets()
	}
	h.held = slices.DeleteFunc(h.held, func(c *rescue.Connection) bool {
		if !has[c.Inode] {
			free = append(free, c)
		}
		return !has[c.Inode]
	})
	return free
}

// openSockets returns the inodes of the sockets that the worker and its descendants have
// open; none if the worker has ended.
func (p *Process) openSockets() map[uint64]bool {
	has := map[uint64]bool{}
	for _, pid := range procfs.Tree(p.pid) {
		_ = procfs.Sockets(pid, has)
	}
	return has
}

// giveBack ends the handover because another master takes over, which gets no more
// connections. The worker still has those that it gives back, and the next master restarts
// their handover.
func (h *handover) giveBack() {
	h.give(h.freed())
	if h.p != nil {
		h.p.tally.keep(h.inodes())
	}
	for _, c := range h.held {
		c.Unhold()
		h.close(c)
	}
	h.held = nil
}

// give hands over the connections that have a request waiting. The others go to the room.
func (h *handover) give(free []*rescue.Connection) {
	var offers sync.WaitGroup
	var mu sync.Mutex
	var left []*rescue.Connection
	for _, c := range free {
		c.Unhold()
		switch c.Next() {
		case rescue.Request:
			offers.Go(func() {
				if !h.offer(c) {
					mu.Lock()
					defer mu.Unlock()
					left = append(left, c)
				}
			})
		case rescue.Nothing:
			h.wait(c)
		case rescue.Foreign:
			h.cut(c)
		case rescue.Ended:
			h.close(c)
		}
	}
	offers.Wait()
	h.bequeath(left)
}

// bequeath is for connections that this master can do nothing more for: the next master
// gets them, if there is about to be one, or else a relay.
func (h *handover) bequeath(all []*rescue.Connection) {
	if isClosed(h.finishing) {
		all = h.launcher.kept.bequeath(h.slot, all)
	}
	h.relay(all)
}

// wait puts a connection into the room, where it waits for its next request.
func (h *handover) wait(c *rescue.Connection) {
	var err error
	if h.room == nil {
		h.room, err = rescue.NewRoom()
	}
	if err == nil {
		err = h.room.Add(c)
	}
	if err != nil {
		h.launcher.unrescued(err)
		h.relay([]*rescue.Connection{c})
	}
}

// attend hands over each connection of the room when its request arrives.
func (h *handover) attend() {
	if h.room == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-h.finishing:
			cancel()
		case <-ctx.Done():
		}
	}()
	for h.room.Len() > 0 {
		came := h.room.Await(ctx, h.since.Add(roomPatience))
		if len(came) == 0 {
			break
		}
		h.give(came)
	}
	rest := h.room.Close()
	if isClosed(h.finishing) {
		h.bequeath(rest)
		return
	}
	for _, c := range rest {
		h.close(c) // no request came in time
	}
}

// offer offers a connection to the other workers, one after another, until one takes it.
func (h *handover) offer(c *rescue.Connection) bool {
	for _, taker := range h.launcher.takers(h.slot, h.p) {
		answer := make(chan bool, 1)
		// Once it is sent, the worker gets it even if this master is killed: then the
		// next master must not have it as well.
		sending := func() { h.launcher.kept.drop(c) }
		passing, ok := taker.primary.Pass(c.Local, c.File, sending, func(taken bool) { answer <- taken })
		if !ok {
			continue
		}
		patience := time.NewTimer(handoverPatience)
		taken := false
		select {
		case taken = <-answer:
		case <-patience.C:
			taken = !taker.primary.Withdraw(passing) // false: it was sent, and may still be taken
		}
		patience.Stop()
		if taken {
			h.close(c)
			return true
		}
		h.launcher.kept.keep(h.slot, c)
	}
	return false
}

// relay serves connections that no worker takes: clients on this host get a relay
// process, connections of other clients are closed.
func (h *handover) relay(all []*rescue.Connection) {
	holding := rescue.Take(everyClient, nil)
	defer holding.Cancel()
	rescued := 0
	for _, c := range all {
		if h.pidfd < 0 || !h.p.rescues()(c.Client.Addr()) {
			h.cut(c)
			continue
		}
		h.launcher.kept.drop(c)
		holding.Return(c)
		rescued++
	}
	if rescued == 0 {
		return
	}
	h.sink(pool.NotHandedOver{Rescued: rescued})
	relay, err := holding.HandOver(context.Background(), h.launcher.self, h.pidfd, h.launcher.runOnce)
	if err != nil {
		h.launcher.unrescued(err)
		h.sink(pool.RelayCut{Count: rescued})
	}
	if relay != nil {
		go relay.Cuts(context.Background(), func() { h.sink(pool.RelayCut{Count: 1}) })
	}
}

func (h *handover) cut(c *rescue.Connection) {
	h.close(c)
	h.sink(pool.NotHandedOver{Cut: 1})
}

func (h *handover) close(c *rescue.Connection) {
	h.launcher.kept.drop(c)
	c.File.Close()
}
