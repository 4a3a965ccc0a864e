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
func Quick(pids []int, table procfs.Table) map[int]Footprint {
	return look(pids, table, func(_ int, resident int64) (int64, error) { return resident, nil })
}

func look(pids []int, table procfs.Table, memoryOf func(pid int, resident int64) (int64, error)) map[int]Footprint {
	found, families := make(map[int]Footprint, len(pids)), make(map[int][]int, len(pids))
	for _, pid := range pids {
		if _, there := table.Figures(pid); !there {
			continue
		}
		u := Footprint{Files: -1}
		var resident int64
		family := table.Tree(pid)
		for _, member := range family {
			f, _ := table.Figures(member)
			u.CPU += f.CPU
			resident += f.Resident
		}
		var ended error
		if u.Memory, ended = memoryOf(pid, resident); ended == nil {
			found[pid], families[pid] = u, family
		}
	}
	held := open(families)
	connections := held.connections()
	for pid, h := range held {
		u := found[pid]
		u.Files = h.files
		u.Connections, u.Connected = connections[pid]
		found[pid] = u
	}
	return found
}
