// Package pooltest stands in for the two seams of a pool: a Release that makes
// no processes and Processes that do only what the test says. Both record what
// the pool asks of them, fail where the test wants a fault, and note every use
// that breaks the contract of package pool.
//
// Operations are named by labels: start, close, send, terminate, kill, signal, detach, adopt.
// A process does nothing by itself unless its release was given a behaviour:
//
//	release := pooltest.NewRelease("v1", pooltest.Obedient)
//
// A report such as Process.Ready returns when the pool has taken it in, so the
// fakes work in a testing/synctest bubble and outside of one.
package pooltest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"

	"relevo/pool"
)

// Release implements pool.Release. Its methods are safe for concurrent use.
type Release struct {
	info      pool.Info
	addresses []string
	lives     func(*Process)

	mu        sync.Mutex
	faults    map[string]error
	gate      chan struct{} // closed to let Start continue; nil: it does not wait
	closing   chan struct{} // closed to let Close continue; nil: it does not wait
	starting  int           // calls of Start that have not returned
	processes map[string]*Process
	closed    int
	misuse    []string
}

// NewRelease returns a release that describes itself by version. Each process
// runs lives in a goroutine of its own; nil leaves it to the test.
func NewRelease(version string, lives func(*Process)) *Release {
	return &Release{
		info:      pool.Info{Path: "/srv/app", SHA256: "5eed" + version, Version: version},
		lives:     lives,
		faults:    map[string]error{},
		processes: map[string]*Process{},
	}
}

// ListensOn gives the release's workers listening sockets.
func (r *Release) ListensOn(addresses ...string) { r.addresses = addresses }

// Addresses are those of ListensOn: pool.Release.
func (r *Release) Addresses() []string { return r.addresses }

// Start makes a Process: pool.Release. It fails by the label "start".
func (r *Release) Start(o pool.Order, sink func(pool.Report)) (pool.Process, error) {
	gate := r.enter(o)
	if gate != nil {
		<-gate
	}
	p, err := r.leave(o, sink)
	if err != nil {
		return nil, err
	}
	if r.lives != nil {
		go r.lives(p)
	}
	return p, nil
}

func (r *Release) enter(o pool.Order) (gate chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed > 0 {
		r.noteLocked("worker %s started after close", o.ID)
	}
	r.starting++
	return r.gate
}

func (r *Release) leave(o pool.Order, sink func(pool.Report)) (*Process, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.starting--
	if err := r.faults["start"]; err != nil {
		return nil, err
	}
	if r.processes[o.ID] != nil {
		r.noteLocked("worker %s started twice", o.ID)
	}
	p := newProcess(r, o, sink)
	r.processes[o.ID] = p
	return p, nil
}

// Adopt returns the process that was detached: pool.Release. It fails by the label
// "adopt".
func (r *Release) Adopt(o pool.Order, l pool.ProcessLegacy, sink func(pool.Report)) (pool.Process, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var id string
	if err := json.Unmarshal(l.State, &id); err != nil {
		return nil, err
	}
	p := r.processes[id]
	if err := r.faults["adopt"]; err != nil {
		return nil, err
	}
	if p == nil || p.held == nil || id != o.ID {
		r.noteLocked("worker %s adopted as %s", id, o.ID)
		return nil, errors.New("pooltest: no such process")
	}
	p.sink = sink
	close(p.held)
	p.held = nil
	return p, nil
}

// Legacy is the version, and a file that stands for the executable: pool.Release.
func (r *Release) Legacy() pool.ReleaseLegacy {
	state, _ := json.Marshal(r.info.Version)
	return pool.ReleaseLegacy{State: state, Files: map[string]*os.File{"program": os.Stdin}}
}

// Info describes the release: pool.Release.
func (r *Release) Info() pool.Info { return r.info }

// Close counts: pool.Release. It fails by the label "close".
func (r *Release) Close() error {
	r.mu.Lock()
	closing := r.closing
	r.mu.Unlock()
	if closing != nil {
		<-closing
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed++
	if r.closed > 1 {
		r.noteLocked("closed %d times", r.closed)
	}
	if r.starting > 0 {
		r.noteLocked("closed while %d workers are being started", r.starting)
	}
	for _, id := range slices.Sorted(maps.Keys(r.processes)) {
		if !r.processes[id].exited {
			r.noteLocked("closed while worker %s lives", id)
		}
	}
	return r.faults["close"]
}

// Fail makes the operation of that label fail from now on, in the release and in
// all of its processes. A nil error mends it.
func (r *Release) Fail(label string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults[label] = err
}

// HoldStart makes each Start from now on wait until resume is called.
func (r *Release) HoldStart() (resume func()) {
	gate := make(chan struct{})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gate = gate
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.gate = nil
		close(gate)
	}
}

// HoldClose makes Close wait until resume is called.
func (r *Release) HoldClose() (resume func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closing = make(chan struct{})
	return func() { close(r.closing) }
}

// Process returns the process of the worker with that number, nil if it was not
// started from this release.
func (r *Release) Process(id int) *Process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.processes[strconv.Itoa(id)]
}

// Living returns the processes that have not exited, oldest first.
func (r *Release) Living() (living []*Process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.processes {
		if !p.exited {
			living = append(living, p)
		}
	}
	slices.SortFunc(living, func(a, b *Process) int { return a.pid - b.pid })
	return living
}

// Closed returns how often the release was closed.
func (r *Release) Closed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// Misuse tells what the pool did that its contract forbids.
func (r *Release) Misuse() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.misuse)
}

func (r *Release) noteLocked(format string, args ...any) {
	r.misuse = append(r.misuse, r.info.Version+": "+fmt.Sprintf(format, args...))
}
