package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"relevo/internal/control"
	"relevo/internal/footprint"
	"relevo/internal/machineview"
	"relevo/pool"
)

// usageView has the results of earlier looks at the workers' usage. It looks only on request.
type usageView struct {
	asked       bool
	at, earlier time.Time // of the last two looks; zero: there was none
	now, before map[int]footprint.Footprint
}

// begin begins a look at the workers of all apps.
func (v *usageView) begin() {
	v.earlier, v.before, v.now = v.at, v.now, nil
}

// look reads what the workers of one app use.
func (v *usageView) look(s control.Status) {
	if !v.asked {
		return
	}
	if v.now == nil {
		v.at, v.now = time.Now(), map[int]footprint.Footprint{}
	}
	var pids []int
	for _, w := range s.Workers {
		if w.PID > 0 {
			pids = append(pids, w.PID)
		}
	}
	for pid, used := range footprint.Of(pids) {
		v.now[pid] = used
	}
}

// percent is how much of one processor a worker uses, since the previous look or since its start;
// nil: unknown.
func (v *usageView) percent(w pool.Worker) *float64 {
	u, known := v.now[w.PID]
	if !known {
		return nil
	}
	var before *time.Duration
	if used, seen := v.before[w.PID]; seen {
		before = &used.CPU
	}
	return machineview.WorkerCPU(w.Started, u.CPU, before, v.earlier, v.at)
}

// usedWorker is a worker in `relevo status --usage --json`.
type usedWorker struct {
	pool.Worker
	CPU         *float64 `json:"cpu_percent,omitempty"`
	Memory      int64    `json:"memory_bytes,omitempty"`
	Connections *int     `json:"connections,omitempty"`
}

// usedStatus is a status whose workers show what they use.
type usedStatus struct {
	control.Status
	Workers []usedWorker `json:"workers"`
}

// withUsage is the value for --json.
func (v *usageView) withUsage(s control.Status) any {
	if !v.asked {
		return s
	}
	shown := usedStatus{s, []usedWorker{}}
	for _, w := range s.Workers {
		used := usedWorker{Worker: w, CPU: v.percent(w), Memory: v.now[w.PID].Memory}
		if u := v.now[w.PID]; u.Connected {
			used.Connections = &u.Connections
		}
		shown.Workers = append(shown.Workers, used)
	}
	return shown
}

// columns returns the columns of the usage; LOAD is among them if a worker reports its load.
func (v *usageView) columns(workers []pool.Worker) []column {
	cpu := column{head: "CPU", weight: 9, right: true}
	memory := column{head: "MEM", weight: 10, right: true}
	connections := column{head: "CONN", weight: 8, right: true}
	load := column{head: "LOAD", weight: 6, right: true}
	says := false
	for _, w := range workers {
		u, count, said := v.now[w.PID], "-", "-"
		if u.Connected {
			count = strconv.Itoa(u.Connections)
		}
		if w.Load != nil {
			says, said = true, fmt.Sprintf("%.2f", *w.Load)
		}
		cpu.cells = append(cpu.cells, percent(v.percent(w)))
		memory.cells = append(memory.cells, memoryText(u.Memory))
		connections.cells, load.cells = append(connections.cells, count), append(load.cells, said)
	}
	all := []column{cpu, memory, connections}
	if says {
		all = append(all, load)
	}
	return all
}

// printWorkers prints a line for each worker. Without the usage it prints all columns, however
// narrow the terminal is.
func (c *cli) printWorkers(workers []pool.Worker, view *usageView) error {
	of := func(head string, weight int, cell func(pool.Worker) string) column {
		made := column{head: head, weight: weight}
		for _, w := range workers {
			made.cells = append(made.cells, cell(w))
		}
		return made
	}
	all := []column{
		of("SLOT", 0, func(w pool.Worker) string { return strconv.Itoa(w.Slot) }),
		of("WORKER", 3, func(w pool.Worker) string { return or(w.ID, "-") }),
		of("PID", 7, func(w pool.Worker) string { return pidText(w.PID) }),
		of("GEN", 2, func(w pool.Worker) string { return strconv.Itoa(w.Generation) }),
		of("STATE", 0, func(w pool.Worker) string { return w.State }),
		of("UP", 5, upTime),
		of("RESPAWNS", 4, func(w pool.Worker) string { return strconv.Itoa(w.Respawns) }),
	}
	notes, width := of("NOTE", 0, note), 0
	if view.asked {
		all, width = append(all, view.columns(workers)...), c.width()
	}
	all = append(all, of("RELEASE", 1, func(w pool.Worker) string { return releaseText(w.Release) }))
	if width > 0 { // a long note continues on the next line instead of removing another column
		width = max(1, width-len(gap)-min(notes.width(), longNote))
	}
	return printTable(c.stdout, append(columnsThatFit(all, width), notes), 0)
}

// longNote is the width that a note has room for on a narrow terminal.
const longNote = 20

// watchStatus shows the apps that words name, with the usage, repeatedly.
func (c *cli) watchStatus(ctx context.Context, words []string, asJSON bool) error {
	view := &usageView{asked: true}
	lines := *c
	lines.collect = func(v any) { json.NewEncoder(c.stdout).Encode(v) }
	return c.watching(ctx, asJSON, func(ctx context.Context) error {
		view.begin()
		return lines.showStatus(ctx, words, asJSON, view)
	})
}
