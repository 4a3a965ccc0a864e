package launch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"relevo/internal/ipc"
	"relevo/internal/nodecluster"
	"relevo/pool"
)

// processLegacy is what the next master needs to know about a worker's process, besides
// its files.
type processLegacy struct {
	PID         int                 `json:"pid"`
	Cgroup      string              `json:"cgroup,omitempty"` // directory of the worker's own cgroup
	Spoken      bool                `json:"spoken,omitempty"`
	Settled     bool                `json:"settled,omitempty"` // its readiness is decided
	How         string              `json:"how,omitempty"`     // how it got ready
	Asked       bool                `json:"asked,omitempty"`
	Channel     *ipc.Rest           `json:"channel,omitempty"`
	Tail        []string            `json:"tail,omitempty"`
	Begun       [2][]byte           `json:"begun"`               // lines of output without their ends
	Torn        bool                `json:"torn,omitempty"`      // their beginnings are not known
	Bound       []string            `json:"bound,omitempty"`     // addresses of the master's sockets that it asked for
	Listening   int                 `json:"listening,omitempty"` // how many of them were told to listen
	Own         bool                `json:"own,omitempty"`       // one of them is its own
	Binds       []bound             `json:"binds,omitempty"`     // what its program has asked for
	Word        string              `json:"word,omitempty"`      // how it said that it was ready, before it accepted there
	Greeted     bool                `json:"greeted,omitempty"`
	Departs     bool                `json:"departs,omitempty"` // depart leads its connections to other workers
	Tally       *tallyLegacy        `json:"tally,omitempty"`
	Cluster     *nodecluster.Legacy `json:"cluster,omitempty"`     // it is a worker of Node's cluster
	Disconnects bool                `json:"disconnects,omitempty"` // its script uses Node's cluster
	Claim       string              `json:"claim,omitempty"`       // how it got ready, while it waits for its admission
	Preloaded   bool                `json:"preloaded,omitempty"`   // it heeds what relevo's preload does
}

// Names of a process's files.
const (
	pidfdFile   = "pidfd"
	channelFile = "ipc"
	stdoutFile  = "out"
	stderrFile  = "err"
	bindsFile   = "binds"
)

// files returns the files that another master needs to adopt the process.
func (p *Process) files() map[string]*os.File {
	all := map[string]*os.File{
		pidfdFile: p.handle.file(), channelFile: p.ends.channel, stdoutFile: p.ends.output[0], stderrFile: p.ends.output[1],
		bindsFile: p.binder.file(),
	}
	for name, file := range all {
		if file == nil || !isOpen(file) {
			delete(all, name)
		}
	}
	return all
}

// isOpen says whether a file is still open. An output that the worker has closed is not.
func isOpen(file *os.File) bool {
	raw, err := file.SyscallConn()
	return err == nil && raw.Control(func(uintptr) {}) == nil
}

func (p *Process) isSettled() bool {
	return isClosed(p.settled)
}

func (p *Process) legacy() processLegacy {
	l := processLegacy{
		Cluster: p.clusterLegacy(), Disconnects: p.disconnects, Preloaded: p.preload.isLoaded(),
		Greeted: p.greeted.Load(), Departs: p.led.Load(), Tally: p.tally.legacy(), PID: p.pid, Cgroup: p.cgroup.path(),
		Spoken: p.ready.hasSpoken(), Settled: p.isSettled(), Asked: p.asked.Load(), Tail: p.tail.lines(),
	}
	if l.Settled {
		l.How = p.how
	}
	p.binder.legacy(&l)
	return l
}

func (l processLegacy) with(files map[string]*os.File) pool.ProcessLegacy {
	state, err := json.Marshal(l)
	if err != nil {
		panic(fmt.Sprintf("internal error: launch: %v", err)) // it holds nothing that can fail
	}
	return pool.ProcessLegacy{State: state, Files: files}
}

// Legacy returns what the next master needs if this one dies: pool.Process.
func (p *Process) Legacy() pool.ProcessLegacy {
	l := p.legacy()
	l.Tail, l.Channel = nil, &ipc.Rest{Torn: true}
	return l.with(p.files())
}

// persist returns when the next master would know of what Legacy says now, even if this
// master is killed.
func (p *Process) persist() {
	done := make(chan struct{})
	p.sink(pool.Persist{Done: func() { close(done) }})
	select {
	case <-done:
	case <-p.detached: // Detach tells the next master
	case <-p.gone:
	}
}

// Detach gives the process to another master: pool.Process.
func (p *Process) Detach(ctx context.Context) (pool.ProcessLegacy, error) {
	if !p.handle.detachable() {
		return pool.ProcessLegacy{}, errors.New("cannot hand a worker over: this kernel gives no pidfd (Linux 5.3)")
	}
	select {
	case <-p.launched:
	case <-ctx.Done():
		return pool.ProcessLegacy{}, fmt.Errorf("cannot hand worker %s over: its program does not run yet", p.order.ID)
	}
	p.release.launcher.handovers.finish(ctx)
	p.handle.detach()
	if <-p.fate {
		return pool.ProcessLegacy{}, pool.ErrGone
	}
	close(p.detached)
	p.binder.detach()
	l, files := p.legacy(), p.files()
	p.watches.Wait()
	l.Tally = p.tally.legacy()
	if l.Settled = p.isSettled(); l.Settled { // it may have been, until now
		l.How = p.how
	}
	l.Claim = p.claims.waiting()
	p.binder.legacy(&l)
	l.Channel = p.detachChannel(files)
	l.Cluster = p.clusterLegacy()
	l.Begun, l.Torn = p.detachOutput(ctx)
	p.release.launcher.unregister(p)
	l.Spoken, l.Tail = p.ready.hasSpoken(), p.tail.lines()
	return l.with(files), nil
}

func (p *Process) detachChannel(files map[string]*os.File) *ipc.Rest {
	if p.channel != nil {
		if rest, err := p.channel.Detach(); err == nil {
			return &rest
		}
	}
	delete(files, channelFile)
	return nil
}

// detachOutput stops reading the worker's output, and returns what it has begun. It does not wait long
// for a slow destination, because the whole pool stands still meanwhile: a write in progress finishes in
// the background. torn says that reading has not stopped in time, so that a begun line is not known.
func (p *Process) detachOutput(ctx context.Context) (begun [2][]byte, torn bool) {
	p.readUntil(time.Unix(1, 0))
	defer p.readUntil(time.Time{})
	ctx, cancel := context.WithTimeout(ctx, outputPatience)
	defer cancel()
	stopped, written := make(chan [2][]byte, 1), make(chan struct{})
	go func() { // the lines are held while one of them is being written
		defer close(written)
		p.pumps.Wait()
		stopped <- p.takeBegun()
		for _, lines := range p.begunLines {
			if lines != nil {
				lines.Sync()
			}
		}
	}()
	select {
	case begun = <-stopped:
	case <-ctx.Done():
		return begun, true
	}
	select {
	case <-written:
	case <-ctx.Done():
	}
	return begun, false
}

// readUntil sets the deadline for reading the worker's output.
func (p *Process) readUntil(deadline time.Time) {
	for _, output := range p.ends.output {
		if output != nil {
			output.SetReadDeadline(deadline)
		}
	}
}

func (p *Process) takeBegun() (begun [2][]byte) {
	for i, lines := range p.begunLines {
		if lines != nil {
			begun[i] = lines.Take()
		}
	}
	return begun
}

// Announce registers a process that will be adopted, before the reaper may reap it. It
// returns false if the process cannot be adopted.
func (l *Launcher) Announce(legacy pool.ProcessLegacy) bool {
	var known processLegacy
	if json.Unmarshal(legacy.State, &known) != nil || known.PID <= 0 || legacy.Files[pidfdFile] == nil {
		return false
	}
	l.opts.Children.Register(known.PID)
	l.kept.await(known.PID)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expected.add(known.PID)
	return true
}

// takeCgroup has the worker in a cgroup of this master.
func (p *Process) takeCgroup(id, former string) {
	p.cgroup = cgroupAt(former)
	if !p.handle.lives() { // its pid may be another process's by now
		return
	}
	var err error
	if p.cgroup, err = p.release.launcher.opts.Cgroups.take(p.cgroup, id, p.pid); err != nil {
		p.release.launcher.warn("a worker stays where it was started, and may end with the session there: relevo reload "+
			"replaces it", "err", err)
	}
}

// Adopt takes over a process that another master has detached: pool.Release.
func (r *Release) Adopt(o pool.Order, legacy pool.ProcessLegacy, sink func(pool.Report)) (pool.Process, error) {
	var l processLegacy
	if err := json.Unmarshal(legacy.State, &l); err != nil {
		return nil, fmt.Errorf("cannot adopt worker %s: %w", o.ID, err)
	}
	pidfd := legacy.Files[pidfdFile]
	if pidfd == nil {
		return nil, fmt.Errorf("cannot adopt worker %s (pid %d): its pidfd is missing", o.ID, l.PID)
	}
	p := newProcess(r, o, sink)
	p.pid = l.PID
	p.handle.children = r.launcher.opts.Children
	p.handle.adoptPidfd(pidfd)
	p.takeCgroup(o.ID, l.Cgroup)
	p.restore(l)
	from := ends{legacy.Files[channelFile], [2]*os.File{legacy.Files[stdoutFile], legacy.Files[stderrFile]}}
	if l.Channel == nil {
		l.Channel = &ipc.Rest{}
	}
	p.resumeCluster(l)
	r.launcher.register(p)
	r.launcher.handovers.resume()
	p.listen(from, l)
	close(p.launched)
	p.goOnWithCluster(l)
	p.resumeStart(l, legacy)
	p.resumeDeparture(l)
	r.launcher.adopted(p.pid, sink)
	launched := make(chan launchResult, 1)
	launched <- launchResult{execed: true}
	go p.awaitExit(launched)
	p.watches.Go(func() { // Detach waits for it, so that nothing is lost
		defer close(p.told)
		p.tellEarly()
	})
	return p, nil
}

// restore sets what the previous master knew of the worker.
func (p *Process) restore(l processLegacy) {
	p.asked.Store(l.Asked)
	p.ready.spoken.Store(l.Spoken)
	p.greeted.Store(l.Greeted)
	p.binder.restore(l)
	if l.Settled {
		p.settle.Do(func() { p.how = l.How; close(p.settled) })
	}
}

// resumeStart keeps watching a worker that is not ready yet, and answering its binds.
func (p *Process) resumeStart(l processLegacy, legacy pool.ProcessLegacy) {
	if l.Settled && l.How != "" && legacy.Unready {
		p.watches.Go(p.beginServing) // the previous master died over it
	}
	if !l.Settled {
		p.claims.restore(l.Claim)
		p.watches.Go(p.watchReadiness)
		p.watches.Go(p.watchAdmission)
	}
	if p.binder.sockets != nil {
		p.resumeCapture(legacy.Files[bindsFile])
	}
}

// resumeDeparture continues to lead out a worker whose connections were being taken from it.
func (p *Process) resumeDeparture(l processLegacy) {
	if l.Departs {
		p.led.Store(true)
		p.tally.restore(l.Tally)
	}
	p.release.launcher.claim(p, l.Departs)
	if l.Departs {
		p.watches.Go(p.departTogether)
	}
}

// togetherPatience is how long an adopted worker that leaves waits for the others.
const togetherPatience = 2 * time.Second

// departTogether continues to lead out an adopted worker when the others are adopted, too: its
// connections go to them.
func (p *Process) departTogether() {
	late := time.NewTimer(togetherPatience)
	defer late.Stop()
	select {
	case <-p.release.launcher.kept.together():
	case <-p.detached:
	case <-p.gone:
	case <-late.C:
	}
	p.depart()
}
