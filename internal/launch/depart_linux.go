package launch

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
	"relevo/internal/ipc"
	"relevo/internal/procfs"
	"relevo/internal/rescue"
	"relevo/internal/sockdiag"
	"relevo/pool"
)

// Pauses between two looks at a worker that leaves. Looks may take a fifth of a processor.
const (
	departureFirst = 2 * time.Millisecond
	departureLast  = 12 * time.Millisecond
	departureRest  = 4
)

// depart leads out a worker that does not drain by itself.
func (p *Process) depart() {
	ctx, cancel := p.untilDetached()
	defer cancel()
	if p.binder.hasOwn() {
		p.leadOut(ctx)
	} else {
		p.disconnect(ctx)
	}
}

// leadOut is for a worker whose program cannot drain: it gets no new client, its queue is
// served, its connections become idle, and only then it gets the stop signal. Idle
// connections go to another worker if that can take them (Node), otherwise to a relay if
// they may be rescued. The pool's time limits may end it earlier.
func (p *Process) leadOut(ctx context.Context) {
	sockets := p.binder.sockets
	holding := rescue.Take(p.keeps(), p.tally.given())
	defer holding.Cancel()
	arrived, ended := p.takeNoMore(), p.endsConnections()
	idle := p.poll(ctx, p.overdue, func() bool {
		// Its connections' requests are held back meanwhile: otherwise they could keep the
		// worker from its queue of new clients forever.
		emptied := sockets.Emptied(p.order)
		return arrived() && ended() && p.isIdle(ctx, holding) && emptied
	})
	if ctx.Err() != nil {
		return
	}
	if !idle {
		p.hasten(ctx, holding, ended)
	}
	if !p.poll(ctx, nil, func() bool { return p.handOver(holding) }) {
		return
	}
	holding.Limit(p.rescues())
	p.relay(ctx, holding)
	p.hurry.Do(func() {})
	inUse := p.inUse(procfs.Tree(p.pid), sockets.Ports(p.order), holding)
	if idle {
		p.sink(pool.Said{Message: ipc.Drained{}})
		if p.disconnectIdle(ctx); ctx.Err() != nil {
			return
		}
	}
	p.handle.signal(p.release.command.stopSignal())
	if inUse { // a connection that ends before the worker counts as finished
		p.poll(ctx, nil, func() bool { return !p.inUse(procfs.Tree(p.pid), sockets.Ports(p.order), holding) })
	}
}

// keeps returns a function that says whose connections are kept while the worker leaves.
func (p *Process) keeps() func(netip.Addr) bool {
	if p.handsOver() {
		return everyClient
	}
	return p.rescues()
}

// rescues returns a function that says whose connections outlive the worker.
func (p *Process) rescues() func(netip.Addr) bool {
	switch p.release.command.Rescue {
	case config.RescueOn:
		return func(netip.Addr) bool { return true }
	case config.RescueLocal:
		return rescue.Local
	}
	return func(netip.Addr) bool { return false }
}

// isIdle says whether all connections of the worker are idle.
func (p *Process) isIdle(ctx context.Context, holding *rescue.Holding) bool {
	ports := p.binder.sockets.Ports(p.order)
	pids := procfs.Tree(p.pid)
	holding.WorkerCloses(p.handsOver())
	done, err := holding.Look(pids, ports)
	if err != nil && !isClosed(p.gone) {
		p.release.launcher.unrescued(err)
	}
	if p.inUse(pids, ports, holding) {
		done = false
	}
	if !done && holding.Late() {
		if p.handsOver() {
			holding.Rest()
		} else {
			holding.Limit(p.rescues())
			p.relay(ctx, holding)
		}
	}
	return done
}

// relay gives idle connections to a relay, if another worker serves.
func (p *Process) relay(ctx context.Context, holding *rescue.Holding) {
	launcher := p.release.launcher
	if p.handle.pidfd == nil || !p.binder.sockets.Others(p.order) {
		return
	}
	var relay *rescue.Relay
	raw, err := p.handle.pidfd.SyscallConn()
	if err == nil {
		failed := raw.Control(func(fd uintptr) {
			relay, err = holding.HandOver(ctx, launcher.self, int(fd), launcher.runOnce)
		})
		err = errors.Join(err, failed)
	}
	if relay != nil {
		p.tally.rescue(relay.Connections)
		p.sink(pool.FilesAdded{}) // for the legacy
		go relay.Cuts(context.Background(), func() { p.sink(pool.RelayCut{Count: 1}) })
	}
	if err != nil {
		launcher.unrescued(err)
	}
}

// inUse says whether the worker still works for a client whose connection is not held,
// and counts the connections. It returns false if the kernel does not show them.
func (p *Process) inUse(pids []int, ports []uint16, holding *rescue.Holding) bool {
	sockets := map[uint64]bool{}
	for _, pid := range pids {
		if procfs.Sockets(pid, sockets) != nil {
			return false // it has ended
		}
	}
	connections, err := sockdiag.Established(ports)
	if err != nil {
		p.release.launcher.warn("cannot see whether a worker's connections are idle", "pid", p.pid, "err", err)
		return false
	}
	idle, inUse := map[uint64]bool{}, false
	for _, c := range connections {
		inode := uint64(c.Inode)
		switch held, isIdle := holding.Has(inode), rescue.Idle(c); {
		case !sockets[inode] || holding.Given(inode):
		case held:
			idle[inode] = holding.Idle(inode)
		default:
			idle[inode], inUse = isIdle, inUse || !isIdle
		}
	}
	p.tally.look(idle)
	return inUse
}

// poll calls done again and again until it returns true, ctx ends, or end is closed.
func (p *Process) poll(ctx context.Context, end <-chan struct{}, done func() bool) bool {
	for pause := departureFirst; ; pause = min(2*pause, departureLast) {
		var isDone bool
		rest := restAfter(pause, func() { isDone = done() })
		if isDone {
			return true
		}
		wait := time.NewTimer(rest)
		select {
		case <-ctx.Done():
			wait.Stop()
			return false
		case <-end:
			wait.Stop()
			return false
		case <-wait.C:
		}
	}
}

// After the pool's time limit, requests are held back for lastHold, and for up to
// longestHold as long as more connections become idle. Without that, a connection with
// request after request would never be idle when it is looked at.
const (
	lastHold    = 500 * time.Millisecond
	longestHold = 1500 * time.Millisecond
)

// hasten rescues what it can when the time limit has ended.
func (p *Process) hasten(ctx context.Context, holding *rescue.Holding, ended func() bool) {
	if !ended() && p.primary.Deadline() == nil {
		ctx, cancel := context.WithTimeout(ctx, lastHold)
		defer cancel()
		p.poll(ctx, nil, ended)
	}
	if p.handsOver() { // a connection that is idle only for a moment can be handed over
		holding.Insist()
		p.insist(ctx, holding)
	}
}

func (p *Process) insist(ctx context.Context, holding *rescue.Holding) {
	ctx, cancel := context.WithTimeout(ctx, longestHold)
	defer cancel()
	best, since := 0, time.Now()
	p.poll(ctx, nil, func() bool {
		done := p.isIdle(ctx, holding)
		if n := holding.Settled(); n > best {
			best, since = n, time.Now()
		}
		return done || time.Since(since) > lastHold
	})
}

// restAfter returns the pause after a look: longer than usual if the look took much
// processor time.
func restAfter(usual time.Duration, look func()) time.Duration {
	return max(usual, departureRest*processorTime(look))
}

// processorTime returns the processor time that f takes. On a busy machine f takes longer
// by the clock, which is no reason for longer pauses.
func processorTime(f func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := threadTime()
	f()
	return threadTime() - before
}

// threadTime returns the processor time of this thread, 0 if the kernel does not tell it.
func threadTime() time.Duration {
	var used unix.Rusage
	if unix.Getrusage(unix.RUSAGE_THREAD, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// runOnce runs a child that ends at once.
func (l *Launcher) runOnce(start func() (int, error)) error {
	var child int
	err := l.opts.Children.Start(func() (int, error) {
		var err error
		child, err = start()
		return child, err
	})
	if err != nil {
		return err
	}
	l.opts.Children.Reap(child, func() { err = waitFor(child) })
	return err
}

// unrescued logs once that a worker's connections end with it.
func (l *Launcher) unrescued(err error) {
	if l.unrescuable.CompareAndSwap(false, true) {
		l.warn("idle connections end with their worker: they cannot be kept", "err", err)
	}
}
