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
	a := App{Status: s, Processes: make(map[int]Process, len(s.Workers)+1)}
	workers := make([]int, 0, len(s.Workers))
	for _, w := range s.Workers {
		if w.PID > 0 {
			workers = append(workers, w.PID)
		}
	}
	table := procfs.NewTable()
	a.Workers = footprint.Quick(workers, table)
	for _, pid := range workers {
		files := -1
		if used, ok := a.Workers[pid]; ok {
			files = used.Files
		}
		a.look(pid, table, files)
	}
	files, err := procfs.Of(s.PID).OpenFiles()
	if err != nil {
		files = -1
	}
	a.look(s.PID, table, files)
	return a
}

func (a App) look(pid int, table procfs.Table, files int) {
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
