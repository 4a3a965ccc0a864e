package metrics

import (
	"time"

	"relevo/internal/control"
	"relevo/internal/footprint"
	"relevo/internal/procfs"
)

// App is one app: what its master says, and what the kernel says of its processes.
type App struct {
	Status  control.Status
	Workers map[int]footprint.Footprint // by pid; those of descendants included
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

// Look reads what the processes of an app use.
func Look(s control.Status) App {
	a := App{Status: s, Processes: map[int]Process{}}
	var workers []int
	for _, w := range s.Workers {
		if w.PID > 0 {
			workers = append(workers, w.PID)
		}
	}
	table := procfs.NewTable()
	a.Workers = footprint.Quick(workers, table)
	for _, pid := range append(workers, s.PID) {
		if p, ok := look(pid, table); ok {
			a.Processes[pid] = p
		}
	}
	return a
}

func look(pid int, table procfs.Table) (p Process, ok bool) {
	stat, ok := table.Stat(pid)
	if !ok {
		return p, false
	}
	p = Process{
		CPU: stat.CPU(), Threads: stat.Threads(), Files: -1, MaxFiles: -1,
		Resident: stat.Resident(),
	}
	if open, err := procfs.Of(pid).OpenFiles(); err == nil {
		p.Files = open
	}
	if limit, err := procfs.FileLimit(pid); err == nil {
		p.MaxFiles = limit
	}
	return p, true
}
