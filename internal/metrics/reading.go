package metrics

import (
	"sync"
	"time"

	"relevo/internal/control"
	"relevo/internal/footprint"
	"relevo/internal/procfs"
)

// App is one app: what its master says, and what the kernel says of its processes.
type App struct {
	Status  control.Status
	Workers map[int]footprint.Footprint // by pid, of other apps, too; those of descendants included
	// Processes are the workers themselves and their master, by pid.
	Processes map[int]Process
}

// Process is what one process has. A value below 0 is not known.
type Process struct {
	CPU      time.Duration
	Resident int64 // bytes
	Threads  int
	Files    int // open descriptors
	MaxFiles int
}

// Reader reads what the processes of apps use, again and again. The zero value may be used.
type Reader struct {
	census procfs.Census
	pages  sync.Pool // of what was written last: the next answer is about as large
}

// Look reads it for apps whose masters have told their statuses, in one look at all processes.
func (r *Reader) Look(statuses []control.Status) []App {
	var pids []int
	for _, s := range statuses {
		pids = append(pids, workers(s)...)
	}
	table := r.census.Take()
	used := footprint.Quick(pids, table)
	all := make([]App, 0, len(statuses))
	for _, s := range statuses {
		a := App{Status: s, Workers: used, Processes: make(map[int]Process, len(s.Workers)+1)}
		a.look(table)
		all = append(all, a)
	}
	return all
}

// workers are the processes that are workers.
func workers(s control.Status) []int {
	pids := make([]int, 0, len(s.Workers))
	for _, w := range s.Workers {
		if w.PID > 0 {
			pids = append(pids, w.PID)
		}
	}
	return pids
}

// look reads what the workers themselves and their master have.
func (a App) look(table *procfs.Table) {
	for _, pid := range workers(a.Status) {
		files := -1
		if used, ok := a.Workers[pid]; ok {
			files = used.Files
		}
		a.process(pid, table, files)
	}
	files, err := procfs.Of(a.Status.PID).OpenFiles()
	if err != nil {
		files = -1
	}
	a.process(a.Status.PID, table, files)
}

func (a App) process(pid int, table *procfs.Table, files int) {
	seen, ok := table.Figures(pid)
	if !ok {
		return
	}
	p := Process{CPU: seen.CPU, Threads: seen.Threads, Resident: seen.Resident, Files: files, MaxFiles: -1}
	if limit, err := procfs.FileLimit(pid); err == nil {
		p.MaxFiles = limit
	}
	a.Processes[pid] = p
}
