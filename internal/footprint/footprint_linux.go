package footprint

import (
	"relevo/internal/launch"
	"relevo/internal/procfs"
)

// Of finds what workers use, by their pids. A worker that has ended is left out.
func Of(pids []int) map[int]Footprint {
	return look(pids, procfs.NewTable(), func(pid int, _ int64) (int64, error) { return launch.Memory(pid) })
}

// Quick is Of in a tenth of the time: pages that processes share count for each of them. The table
// has what it reads of the processes.
func Quick(pids []int, table *procfs.Table) map[int]Footprint {
	return look(pids, table, func(_ int, resident int64) (int64, error) { return resident, nil })
}

func look(pids []int, table *procfs.Table, memoryOf func(pid int, resident int64) (int64, error)) map[int]Footprint {
	all := make([]worker, 0, len(pids))
	for _, pid := range pids {
		if _, there := table.Figures(pid); !there {
			continue
		}
		w := worker{pid: pid, family: table.Tree(pid)}
		var resident int64
		for _, member := range w.family {
			f, _ := table.Figures(member)
			w.CPU += f.CPU
			resident += f.Resident
		}
		var ended error
		if w.Memory, ended = memoryOf(pid, resident); ended == nil {
			all = append(all, w)
		}
	}
	connect(all)
	found := make(map[int]Footprint, len(all))
	for _, w := range all {
		found[w.pid] = w.Footprint
	}
	return found
}
