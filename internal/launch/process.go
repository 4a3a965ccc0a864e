package launch

import (
	"cmp"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"relevo/internal/config"
	"relevo/internal/ipc"
	"relevo/internal/nodecluster"
	"relevo/pool"
)

// Process is a worker's process. It implements pool.Process.
type Process struct {
	release     *Release
	order       pool.Order
	pid         int
	handle      handle
	cgroup      *cgroup      // nil: none
	channel     *ipc.Channel // nil: it was closed before this master took over
	tail        tail
	ready       *readiness
	binder      *binder              // for the addresses that its program binds
	untold      []string             // addresses that it has opened, not yet reported to the pool
	disconnects bool                 // its script uses Node's cluster
	primary     *nodecluster.Primary // nil: it is no worker of Node's cluster
	preload     preload
	pumps       sync.WaitGroup
	ends        ends
	begunLines  [2]Lines // of stdout and stderr, if split into lines: a succession passes the begun ones on
	sink        func(pool.Report)

	launched   chan struct{} // closed by awaitOnline: Online was reported, or never will be
	told       chan struct{} // closed when the notifications from before that have been told
	settle     sync.Once
	settled    chan struct{} // closed when its readiness is decided, or it has ended
	how        string        // how it got ready, once settled is closed
	asked      atomic.Bool   // the master has asked it to end
	again      atomic.Bool   // it is killed to be started again
	greeted    atomic.Bool   // its program drains by itself
	debugged   atomic.Bool   // the wait for a debugger was reported
	led        atomic.Bool   // depart leads its connections to other workers
	tally      tally
	overdue    chan struct{} // closed when the pool's patience with a departure has ended
	hurry      sync.Once     // closes overdue, unless depart has done its work
	introduced atomic.Bool   // the pool knows that depart will do so
	got        atomic.Bool   // ready
	claims     claims        // addresses that wait for the canary's admission
	source     source

	channelEnded chan struct{}  // closed when nothing more is heard on the channel
	detached     chan struct{}  // closed by Detach
	gone         chan struct{}  // closed when the process has ended
	fate         chan bool      // capacity 1: awaitExit's result, true if the process has ended
	watches      sync.WaitGroup // the goroutines that Detach waits for

	notifying sync.Mutex         // held while a notification is reported
	begun     bool               // under notifying: Online was reported
	early     []ipc.Notification // under notifying: notifications from before Online
	ended     bool               // under notifying: what the worker says is ignored from now on
}

// joinCgroup makes a cgroup for the worker and has it start there. The caller calls started
// after the fork.
func (p *Process) joinCgroup(b *birth, attr *syscall.SysProcAttr) (started func(), err error) {
	if p.cgroup, err = b.release.launcher.opts.Cgroups.make(b.order.ID); err != nil {
		return nil, err
	}
	return p.cgroup.prepare(attr)
}

// ends are the master's ends of a worker's channel and pipes. A closed or missing one is
// nil.
type ends struct {
	channel *os.File
	output  [2]*os.File // stdout and stderr
}

// files returns the open ones.
func (e ends) files() (open []*os.File) {
	for _, f := range []*os.File{e.channel, e.output[0], e.output[1]} {
		if f != nil {
			open = append(open, f)
		}
	}
	return open
}

// begin starts the goroutines that listen to the worker. Each ends by itself
// when the process is gone.
func (p *Process) begin(b *birth) {
	p.beginCluster()
	p.listen(ends{b.channel, b.pipes}, processLegacy{Channel: &ipc.Rest{}})
	launched := make(chan launchResult, 1)
	p.watches.Go(func() { launched <- p.awaitOnline(b.launched) })
	go p.awaitExit(launched)
}

// listen starts to read the worker's output and messages. After a succession it continues
// where the previous master stopped reading.
func (p *Process) listen(from ends, l processLegacy) {
	p.ends = from
	streams := &p.release.launcher.opts.Streams
	app := p.release.command.App
	p.tail.restore(l.Tail)
	for i, to := range []io.Writer{streams.Out, streams.Err} {
		if from.output[i] != nil {
			source := OutputSource{Slot: p.order.Slot, Generation: p.order.Generation, PID: p.pid, Stream: i,
				Worker: p.order.ID}
			p.pump(i, to, streams.lines(app, source, l.Begun[i], l.Torn || l.Channel.Torn))
		}
	}
	if from.channel == nil {
		close(p.channelEnded)
		return
	}
	p.channel = p.openChannel(from.channel, *l.Channel, func(err error) {
		p.disconnected(err)
		if p.primary != nil {
			p.primary.Ended()
		}
		close(p.channelEnded)
	})
}

func (p *Process) pump(stream int, to io.Writer, lines Lines) {
	from := p.ends.output[stream]
	if lines != nil {
		p.begunLines[stream] = lines
		to = lines
	}
	p.pumps.Go(func() {
		if pump(from, to, &p.tail, p.detached) {
			from.Close()
		}
	})
}

// awaitOnline reports Online, and only then what the worker has said. The worker may have
// said something before it was checked which bytes it runs; if these are others, all that
// it says is ignored.
func (p *Process) awaitOnline(launched <-chan launchResult) launchResult {
	defer close(p.told)
	result, sound := p.awaitLaunch(launched)
	if !sound {
		return result
	}
	p.tellEarly() // Detach may begin meanwhile: it ends the wait for a pool that saves nothing while it is frozen
	p.watches.Go(p.watchReadiness)
	p.watches.Go(p.watchAdmission)
	return result
}

// awaitLaunch reports Online, or silences a process that does not run the right bytes: it is not sound.
func (p *Process) awaitLaunch(launched <-chan launchResult) (result launchResult, sound bool) {
	defer close(p.launched)
	result = <-launched
	if result.notifications != nil { // the worker was slow to exec, and Start did not wait
		p.beginCapture(result.notifications)
		p.sink(pool.FilesAdded{})
	}
	if result.changed != nil {
		p.Kill() // Start has returned by now and cannot start another one
	}
	if !result.execed || result.changed != nil {
		p.silence()
		return result, false
	}
	p.sink(pool.Online{})
	return result, true
}

// observed reports what a look at the process has shown, unless the process has ended:
// Exited is the last report.
func (p *Process) observed(report pool.Report) {
	p.notifying.Lock()
	defer p.notifying.Unlock()
	if !p.ended {
		p.sink(report)
	}
}

// serves directs clients to the worker and reports that it is ready.
func (p *Process) serves(how string) {
	p.settle.Do(func() {
		p.how = how
		close(p.settled)
		p.persist() // else the next master could end it for not being ready, with its clients
		p.beginServing()
	})
}

// beginServing sends the worker clients, and tells the pool that it is ready.
func (p *Process) beginServing() {
	p.binder.serve(p.order)
	if p.how == byNotify || p.how == byIPC {
		p.release.speaks.Store(true)
	}
	p.introduce()
	p.got.Store(true)
	p.listens()
	p.sink(pool.Ready{How: p.how})
}

func (p *Process) disconnected(err error) {
	<-p.told
	if p.isSilent() {
		return
	}
	reason := "" // the worker closed its end, or ended
	if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrClosed) && !errors.Is(err, syscall.ECONNRESET) {
		reason = err.Error()
	}
	p.sink(pool.Disconnected{Reason: reason})
}

// awaitExit waits for the end of the worker, ends the processes that it left behind, and
// reports Exited after everything else.
func (p *Process) awaitExit(launched <-chan launchResult) {
	status, ended := p.handle.wait(p.pid)
	p.fate <- ended
	if !ended {
		return
	}
	close(p.gone)
	status, oomHint := p.release.launcher.oom.judge(status, p.cgroup, p.asked.Load())
	if err := p.cgroup.end(); err != nil {
		p.release.launcher.warn("cannot end the processes that a worker left behind", "pid", p.pid, "err", err)
	}
	p.release.launcher.unregister(p)
	p.settle.Do(func() { close(p.settled) })
	result := <-launched
	p.drainOutput()
	p.silence()
	p.binder.end(p.order)
	if !p.asked.Load() && result.execed {
		p.release.started(p.source, p.got.Load())
	}
	exited := pool.Exited{Status: status, Connections: p.tally.result(), Again: p.again.Load(), Hint: cmp.Or(
		oomHint, p.noPrivileges(), p.refusedAddress(status), p.addressTaken(), p.wouldBlock(), p.lostListener(status),
		p.interactive(), hintFor(status, p.asked.Load()), p.swallowed(status), p.directoryHint(status))}
	switch {
	case result.failure != nil:
		exited.Status.Error = result.failure.Error()
		exited.Hint = p.release.hintOf(result.failure)
		if passing(result.failure.Errno) {
			exited.Unstarted = unstarted(result.failure)
			exited.Hint = cmp.Or(exited.Hint, exited.Unstarted.Hint)
		}
	case result.changed != nil:
		exited.Status.Error = "cannot run it: " + result.changed.Error()
		exited.Unstarted = unstarted(result.changed)
	case !result.execed:
		exited.Hint = "the process that was to become the worker ended first: the machine may be out of memory or processes"
		exited.Unstarted = &pool.MasterError{Err: errors.New("the worker's shim ended: " + status.String()),
			Hint: exited.Hint}
	}
	if exited.Status.Error == "" && exited.Unstarted == nil {
		exited.Status.Said = p.causeOf(status)
	}
	p.sink(exited)
}

// causeOf returns the line of the worker's output that says why it failed.
func (p *Process) causeOf(status pool.ExitStatus) string {
	switch {
	case status.Signal == 0 && status.Code == 0, status.Signal != 0 && p.asked.Load():
		return ""
	}
	return p.tail.cause(status.Signal == 0)
}

// drainOutput waits until the last output of the worker was read. It stops waiting for the
// end of the pipes when they are empty: then only a child that left the process group
// still holds them open.
func (p *Process) drainOutput() {
	read := make(chan struct{})
	go func() {
		<-p.channelEnded
		p.pumps.Wait()
		close(read)
	}()
	p.awaitEmptyPipes(read)
	if p.channel != nil {
		p.channel.Close()
	}
	select {
	case <-p.channelEnded:
	case <-time.After(outputPatience): // its reader may hang in close(2) of a descriptor from the worker
	}
}

// awaitEmptyPipes returns when all is read, or nothing is left to read.
func (p *Process) awaitEmptyPipes(read <-chan struct{}) {
	for waited := time.Duration(0); waited < outputPatience; waited += outputGrace {
		select {
		case <-read:
			return
		case <-time.After(outputGrace):
			if !slices.ContainsFunc(p.ends.files(), unread) {
				return
			}
		}
	}
}

// PID returns the worker's process id, which is also the id of its process group.
func (p *Process) PID() int { return p.pid }

// Send queues a message for the worker.
func (p *Process) Send(m ipc.Message) error {
	if _, drain := m.(ipc.Drain); drain {
		p.asked.Store(true)
		if p.binder.leave(p.order); p.departs() {
			if p.led.CompareAndSwap(false, true) {
				p.watches.Go(p.depart)
			}
			return nil
		}
	}
	if p.channel == nil {
		return ipc.ErrClosed
	}
	if p.withholds(m) {
		return errNoHello
	}
	return p.channel.Send(m)
}

// Signal sends a signal to the worker's main process.
func (p *Process) Signal(sig syscall.Signal) error {
	if sig == syscall.SIGKILL {
		p.asked.Store(true) // or the hint would say that the OOM killer or another process did it
	}
	return p.handle.signal(sig)
}

// Terminate sends the release's stop signal.
func (p *Process) Terminate() error {
	p.asked.Store(true)
	p.binder.leave(p.order)
	if p.led.Load() {
		led := false
		if p.hurry.Do(func() { led = true; close(p.overdue) }); led {
			return nil // depart sends the signal, once the idle connections are taken
		}
	}
	return p.handle.signal(p.release.command.stopSignal())
}

// Admit ends the trial of a canary.
func (p *Process) Admit() { p.binder.admit(p.order) }

// Kill sends SIGKILL to the process group, and to all of its cgroup if it has one.
func (p *Process) Kill() error {
	p.asked.Store(true)
	p.cgroup.kill()
	return p.handle.killGroup(p.pid)
}

// Tail returns the last lines that the worker wrote.
func (p *Process) Tail() []string { return p.tail.lines() }

func (c Command) stopSignal() syscall.Signal {
	if c.StopSignal == 0 {
		return config.DefaultStopSignal
	}
	return c.StopSignal
}
