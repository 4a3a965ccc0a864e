package pooltest

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"relevo/internal/ipc"
	"relevo/pool"
)

// firstPID is the number that a worker's id is added to, so that a test knows a
// process by its PID.
const firstPID = 1000

// Process implements pool.Process. Its methods are safe for concurrent use.
type Process struct {
	Order pool.Order // what it was started for

	release *Release
	pid     int
	asked   chan struct{} // closed at the first drain, terminate or kill
	killed  chan struct{} // closed at the first kill
	gone    chan struct{} // closed by the first End
	pinged  chan struct{} // capacity 1: an unanswered ping is as good as two
	once    struct{ asked, killed sync.Once }

	// Guarded by release.mu.
	sink    func(pool.Report)
	held    chan struct{} // nil, or closed when a pool has adopted it
	exited  bool
	unheard *pool.Exited
	calls   []Call
	tail    []string
	files   map[string]*os.File
}

// Call is something that the pool asked of a process.
type Call struct {
	Label   string         // send, terminate, kill or signal
	Message ipc.Message    // of send
	Signal  syscall.Signal // of signal
}

func newProcess(r *Release, o pool.Order, sink func(pool.Report)) *Process {
	id, _ := strconv.Atoi(o.ID)
	return &Process{
		Order: o, release: r, pid: firstPID + id, sink: sink,
		asked: make(chan struct{}), killed: make(chan struct{}), gone: make(chan struct{}),
		pinged: make(chan struct{}, 1),
	}
}

// PID is 1000 more than the worker's id: pool.Process.
func (p *Process) PID() int { return p.pid }

// Send records the message: pool.Process. It fails by the label "send".
func (p *Process) Send(m ipc.Message) error {
	err := p.record(Call{Label: "send", Message: m})
	if _, drain := m.(ipc.Drain); drain && err == nil {
		p.once.asked.Do(func() { close(p.asked) })
	}
	if _, ping := m.(ipc.Ping); ping && err == nil {
		select {
		case p.pinged <- struct{}{}:
		default:
		}
	}
	return err
}

// Signal records the signal: pool.Process. It fails by the label "signal".
func (p *Process) Signal(sig syscall.Signal) error {
	return p.record(Call{Label: "signal", Signal: sig})
}

// Terminate is recorded: pool.Process. It fails by the label "terminate".
func (p *Process) Terminate() error {
	err := p.record(Call{Label: "terminate"})
	if err == nil {
		p.once.asked.Do(func() { close(p.asked) })
	}
	return err
}

// Admit is recorded: pool.Process.
func (p *Process) Admit() { _ = p.record(Call{Label: "admit"}) }

// Kill is recorded: pool.Process. It fails by the label "kill".
func (p *Process) Kill() error {
	err := p.record(Call{Label: "kill"})
	if err == nil {
		p.once.killed.Do(func() { close(p.killed) })
		p.once.asked.Do(func() { close(p.asked) })
	}
	return err
}

func (p *Process) record(c Call) error {
	p.release.mu.Lock()
	defer p.release.mu.Unlock()
	p.calls = append(p.calls, c)
	return p.release.faults[c.Label]
}

// Tail returns what Write has written: pool.Process.
func (p *Process) Tail() []string {
	p.release.mu.Lock()
	defer p.release.mu.Unlock()
	return slices.Clone(p.tail)
}

// tell reports to the pool that holds the process, and waits until one does.
func (p *Process) tell(report pool.Report) {
	p.release.mu.Lock()
	sink, held := p.sink, p.held
	p.release.mu.Unlock()
	if held != nil {
		<-held
		p.tell(report)
		return
	}
	sink(report)
}

// Legacy names the process: pool.Process.
func (p *Process) Legacy() pool.ProcessLegacy {
	p.release.mu.Lock()
	defer p.release.mu.Unlock()
	return p.legacyLocked()
}

func (p *Process) legacyLocked() pool.ProcessLegacy {
	state, _ := json.Marshal(p.Order.ID)
	return pool.ProcessLegacy{State: state, Files: maps.Clone(p.files)}
}

// Detach lets go of the process, whose reports wait until it is adopted:
// pool.Process. It fails by the label "detach".
func (p *Process) Detach(context.Context) (pool.ProcessLegacy, error) {
	p.release.mu.Lock()
	defer p.release.mu.Unlock()
	p.calls = append(p.calls, Call{Label: "detach"})
	switch {
	case p.exited:
		return pool.ProcessLegacy{}, pool.ErrGone
	case p.release.faults["detach"] != nil:
		return pool.ProcessLegacy{}, p.release.faults["detach"]
	case p.held != nil:
		p.release.noteLocked("worker %s detached twice", p.Order.ID)
	}
	p.held = make(chan struct{})
	return p.legacyLocked(), nil
}

// Write adds lines to the worker's output.
func (p *Process) Write(lines ...string) {
	p.release.mu.Lock()
	defer p.release.mu.Unlock()
	p.tail = append(p.tail, lines...)
}

// Online reports that the worker's program runs.
func (p *Process) Online() { p.tell(pool.Online{}) }

// Ready reports that the worker serves, as if by READY=1.
func (p *Process) Ready() { p.tell(pool.Ready{How: "notify"}) }

// Say reports a message of the worker.
func (p *Process) Say(m ipc.Message) { p.tell(pool.Said{Message: m}) }

// Alive reports a sign of life, as if by WATCHDOG=1.
func (p *Process) Alive() { p.tell(pool.Alive{}) }

// Obstructed reports what seems to keep the worker from getting ready.
func (p *Process) Obstructed(hint string) { p.tell(pool.Obstructed{Hint: hint}) }

// Unseen reports that the master cannot look whether the worker is ready.
func (p *Process) Unseen(reason string) { p.tell(pool.Unseen{Reason: reason}) }

// Hang reports that the worker is past help.
func (p *Process) Hang(reason string) { p.tell(pool.Hung{Reason: reason}) }

// Bind reports that the worker's program has bound an address.
func (p *Process) Bind(address string) { p.tell(pool.Captured{Address: address}) }

// Persist reports that the process waits until its legacy is saved.
func (p *Process) Persist(done func()) { p.tell(pool.Persist{Done: done}) }

// AddFile gives the process one more file for its legacy, and reports it.
func (p *Process) AddFile(name string, file *os.File) {
	p.release.mu.Lock()
	if p.files == nil {
		p.files = map[string]*os.File{}
	}
	p.files[name] = file
	p.release.mu.Unlock()
	p.tell(pool.FilesAdded{})
}

// Flood reports that the worker says more than is read.
func (p *Process) Flood(what string) { p.tell(pool.Flooding{What: what}) }

// Disconnect reports that the worker's channel is closed.
func (p *Process) Disconnect(reason string) { p.tell(pool.Disconnected{Reason: reason}) }

// Exit reports that the worker ended by itself with a code.
func (p *Process) Exit(code int) {
	p.End(pool.Exited{Status: pool.ExitStatus{Code: code}})
}

// Die reports that a signal ended the worker.
func (p *Process) Die(sig syscall.Signal) {
	p.End(pool.Exited{Status: pool.ExitStatus{Signal: sig}})
}

// End reports the worker's end as it is given. Only the first end counts, as
// with a process; other reports may follow it.
func (p *Process) End(e pool.Exited) {
	p.release.mu.Lock()
	again := p.exited
	p.exited = true
	if !again {
		close(p.gone)
	}
	p.release.mu.Unlock()
	if !again {
		p.tell(e)
	}
}

// DieUnheard ends the worker as End does, but its end is reported by Heard only.
func (p *Process) DieUnheard(e pool.Exited) {
	p.release.mu.Lock()
	defer p.release.mu.Unlock()
	p.exited, p.unheard = true, &e
	close(p.gone)
}

// Heard reports the end of DieUnheard.
func (p *Process) Heard() { p.tell(*p.unheard) }

// Lose ends the worker without a report, as when it ends together with its master.
func (p *Process) Lose() {
	p.release.mu.Lock()
	defer p.release.mu.Unlock()
	p.exited = true
	close(p.gone)
	close(p.held)
}

// Asked is closed when the worker is asked to leave for the first time: by
// message, by the stop signal or by SIGKILL.
func (p *Process) Asked() <-chan struct{} { return p.asked }

// Pinged gets a value when the worker is asked for a sign of life.
func (p *Process) Pinged() <-chan struct{} { return p.pinged }

// Killed is closed when the worker is sent SIGKILL.
func (p *Process) Killed() <-chan struct{} { return p.killed }

// Gone is closed when the worker ends.
func (p *Process) Gone() <-chan struct{} { return p.gone }

// Calls returns what the pool asked of the process, in order.
func (p *Process) Calls() []Call {
	p.release.mu.Lock()
	defer p.release.mu.Unlock()
	return slices.Clone(p.calls)
}

// Labels returns Calls in words, without the states that are announced: the
// label, and of a message its type ("send drain", "send app").
func (p *Process) Labels() []string {
	labels := []string{}
	for _, c := range p.Calls() {
		switch c.Message.(type) {
		case nil:
			labels = append(labels, c.Label)
		case ipc.Drain:
			labels = append(labels, c.Label+" drain")
		case ipc.Ping:
			labels = append(labels, c.Label+" ping")
		case ipc.App:
			labels = append(labels, c.Label+" app")
		}
	}
	return labels
}

// States returns the states of the pool that were announced to the process.
func (p *Process) States() (states []ipc.State) {
	for _, c := range p.Calls() {
		if s, ok := c.Message.(ipc.State); ok {
			states = append(states, ipc.State{Slot: s.Slot, Generation: s.Generation, Workers: s.Workers})
		}
	}
	return states
}
