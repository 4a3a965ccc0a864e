package apps

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"relevo/internal/control"
	"relevo/internal/procfs"
	"relevo/internal/safefile"
)

// State is the state of an app of this machine.
type State string

// The states of an app whose master is not asked, or does not answer. Those of a pool that
// answers are "running", "rolling" and so on.
const (
	Stopped State = "stopped"         // no master runs
	Failed  State = "failed"          // its master died, or its last start failed
	Silent  State = "does not answer" // its master is stopped or stuck
)

// App is one app of this machine.
type App struct {
	Name       string
	State      State
	Definition *Definition     // nil: it was not started in the background
	Status     *control.Status // nil: no master answers
	Usage      Usage
	Workers    map[int]Usage // of each worker, by its pid
}

// Usage is what the workers and their descendants use. The zero value is not known.
type Usage struct {
	Memory int64         // resident, in bytes
	CPU    time.Duration // since each of them began
	// Processes are the worker and its descendants, parents first; of a whole app it is empty.
	Processes []int
}

// Ready counts the workers that serve.
func (a App) Ready() (ready int) {
	if a.Status == nil {
		return 0
	}
	return a.Status.Serving()
}

// Restarts counts the workers that were started after a death, since the app's master began.
func (a App) Restarts() (restarts int) {
	if a.Status == nil {
		return 0
	}
	for _, w := range a.Status.Workers {
		restarts += w.Respawns
	}
	return restarts
}

// atATime is how many masters are asked at the same time.
const atATime = 16

// All returns the apps that have a definition or a control socket, by name. An app whose
// socket is in several places is asked in the first.
func (p Places) All(ctx context.Context, sockets ...string) ([]App, error) {
	names, err := p.Known(sockets...)
	if err != nil {
		return nil, err
	}
	all := p.askAll(ctx, names, sockets...)
	all = slices.DeleteFunc(all, func(a App) bool { return a.Definition == nil && a.State == Failed })
	new(Measurer).Measure(all)
	return all, nil
}

// askAll asks the masters of all these apps.
func (p Places) askAll(ctx context.Context, names []string, sockets ...string) []App {
	all := make([]App, len(names))
	var next atomic.Int32 // the first that was not begun yet
	var asked sync.WaitGroup
	for range min(atATime, len(names)) { // each goroutine asks many: its stack grows once
		asked.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(names); i = next.Add(1) - 1 {
				all[i] = p.Ask(ctx, names[i], sockets...)
			}
		})
	}
	asked.Wait()
	return all
}

// Known returns the names of the apps that have a definition or a control socket, sorted. Of some
// of them a socket may be all that is left.
func (p Places) Known(sockets ...string) ([]string, error) {
	defined, err := p.Names()
	if err != nil {
		return nil, err
	}
	names := slices.Clone(defined)
	for i, dir := range append([]string{p.Runtime}, sockets...) {
		here, err := control.Names(dir)
		if err != nil && i == 0 {
			return nil, err
		}
		names = append(names, here...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Ask asks the master of one app. A definition that cannot be read is ignored. What its workers
// use is left to Measure.
func (p Places) Ask(ctx context.Context, name string, sockets ...string) App {
	a := App{Name: name, State: Stopped}
	a.Definition, _ = p.Load(name)
	if a.Definition != nil && a.Definition.Failure != "" {
		a.State = Failed
	}
	for _, dir := range append([]string{p.Runtime}, sockets...) {
		places := p.Places
		places.Runtime = dir
		socket := places.ControlSocket(name)
		if _, err := os.Lstat(socket); err != nil {
			continue
		}
		client, err := control.Open(socket)
		if err != nil {
			continue
		}
		status, err := client.Status(ctx)
		untrusted := new(safefile.UntrustedError)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrPermission), errors.As(err, &untrusted):
			a.State = Failed
			continue
		case err != nil:
			a.State = Silent
			return a
		}
		a.Status, a.State = &status, State(status.State)
		return a
	}
	return a
}

// Measurer finds what workers use, again and again. The zero value may be used.
type Measurer struct{ processes procfs.Census }

// Measure finds it in one look at all processes. A process counts for the nearest of its ancestors that
// is a worker.
func (m *Measurer) Measure(all []App) {
	owners := map[int]int{} // worker to the index of its app
	for i, a := range all {
		if a.Status == nil {
			continue
		}
		for _, w := range a.Status.Workers {
			if w.PID > 0 {
				owners[w.PID] = i
			}
		}
	}
	if len(owners) == 0 {
		return
	}
	table := m.processes.Take()
	for worker, app := range owners {
		for _, pid := range family(worker, table, owners) {
			if f, there := table.Figures(pid); there {
				all[app].use(worker, pid, Usage{Memory: f.Resident, CPU: f.CPU})
			}
		}
	}
}

// family is a worker and its descendants, without those of other workers.
func family[V any](worker int, table *procfs.Table, workers map[int]V) []int {
	all := table.Tree(worker) // parents first
	var left []int            // that are other workers', or other workers
	return slices.DeleteFunc(all, func(pid int) bool {
		if pid == worker {
			return false
		}
		f, _ := table.Figures(pid)
		_, other := workers[pid]
		if other || slices.Contains(left, f.Parent) {
			left = append(left, pid)
			return true
		}
		return false
	})
}

// use adds what a process of a worker's family uses.
func (a *App) use(worker, pid int, used Usage) {
	if a.Workers == nil {
		a.Workers = map[int]Usage{}
	}
	sum := a.Workers[worker]
	a.Workers[worker] = Usage{sum.Memory + used.Memory, sum.CPU + used.CPU, append(sum.Processes, pid)}
	a.Usage.Memory, a.Usage.CPU = a.Usage.Memory+used.Memory, a.Usage.CPU+used.CPU
}
