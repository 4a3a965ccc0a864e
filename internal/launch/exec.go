package launch

import (
	"fmt"
	"os"
	"time"

	"relevo/internal/capture"
	"relevo/internal/launch/shim"
	"relevo/pool"
)

// maxStarts bounds the starts of one worker, for a file that is replaced again and again.
const maxStarts = 3

// Start starts a worker of the release: pool.Release. If the executable changed
// meanwhile, the process is ended before it is reported, and another one is started from
// the copy.
func (r *Release) Start(o pool.Order, sink func(pool.Report)) (pool.Process, error) {
	for start := 1; ; start++ {
		b := &birth{release: r, order: o}
		var p *Process
		var err error
		r.launcher.starts.through(func() { p, err = b.start(start > 1, sink) })
		if err != nil {
			b.abort()
			return nil, unstarted(err)
		}
		select {
		case result := <-b.launched:
			if result.changed != nil {
				r.launcher.warn("a worker was started from other bytes and is started again", "slot", o.Slot, "err", result.changed)
				p.discard()
				b.abort()
				result.notifications.Close() // it may be nil, which Close allows
				if start < maxStarts {
					continue
				}
				return nil, unstarted(fmt.Errorf("cannot start a worker: %w; it happened %d times in a row: "+
					"try again when the file is finished",
					result.changed, start))
			}
			p.beginCapture(result.notifications)
			result.notifications = nil
			b.launched <- result
		case <-time.After(r.launcher.opts.ExecPatience):
		}
		p.begin(b)
		return p, nil
	}
}

// start forks the shim and gives it its order.
func (b *birth) start(avoidPath bool, sink func(pool.Report)) (p *Process, err error) {
	r := b.release
	defer b.closeChildEnds()
	r.launcher.oom.look()
	if b.image, err = r.image(avoidPath); err != nil {
		return nil, err
	}
	if err = b.open(); err != nil {
		b.image.close()
		return nil, err
	}
	spec, err := b.spec()
	if err == nil {
		p = newProcess(r, b.order, sink)
		p.source = b.image.source
		err = b.fork(p)
		if err != nil {
			err = fmt.Errorf("cannot start a process: %w", err)
		}
	}
	if err != nil {
		b.image.close()
		return nil, err
	}
	r.launcher.register(p)
	b.giveOrder(spec)
	b.watchExec(p.pid, spec.Args)
	return p, nil
}

func newProcess(r *Release, o pool.Order, sink func(pool.Report)) *Process {
	return &Process{
		release: r, order: o, sink: sink, settled: make(chan struct{}), channelEnded: make(chan struct{}),
		launched: make(chan struct{}), told: make(chan struct{}), detached: make(chan struct{}),
		overdue: make(chan struct{}), fate: make(chan bool, 1), gone: make(chan struct{}), claims: make(claims, 1),
		binder: newBinder(r.command.Sockets),
		ready:  newReadiness(r.command.Ready, len(r.command.Listeners) > 0, r.speaks.Load()),
	}
}

// watchExec waits in a goroutine for the exec, and then checks which bytes run.
func (b *birth) watchExec(pid int, args []string) {
	b.launched = make(chan launchResult, 1) // for one result; Start puts it back if it takes it
	go func() {
		defer b.image.close()
		result := b.awaitExec()
		if result.execed || result.failure != nil { // a half-written file may also fail to exec
			b.release.launcher.starts.through(func() { result.changed = b.image.check(pid, result.byPath, args) })
		}
		b.launched <- result
	}()
}

// discard ends a process that was not reported yet.
func (p *Process) discard() {
	p.handle.killGroup(p.pid)
	p.handle.wait(p.pid)
	p.release.launcher.unregister(p)
}

// launchResult is the outcome of the shim.
type launchResult struct {
	execed  bool          // the worker's own program runs, or has run
	byPath  bool          // it was run by its path
	failure *shim.Failure // why it does not run; nil: the shim could not tell
	changed error         // other bytes than the release's run

	notifications *os.File // tells of its binds; nil: they are not captured
}

// awaitExec reads the shim's socketpair to its end.
func (b *birth) awaitExec() (r launchResult) {
	defer b.shim.Close()
	announced, answer, _ := capture.Receive(b.shim)
	r.notifications = announced.Notifications
	if announced.NoNewPrivileges {
		b.release.launcher.noNewPrivs.Store(true)
	}
	if announced.Reason != "" {
		b.release.launcher.goesUncaptured(announced.Reason)
	}
	said := shim.ReadAnswer(answer)
	r.execed, r.byPath, r.failure = said.Ran, said.ByPath, said.Failure
	return r
}
