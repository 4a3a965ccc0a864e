//go:build !linux

package footprint

import (
	"relevo/internal/launch"
	"relevo/internal/procfs"
)

// Of finds what workers use, by their pids. Here it knows their memory only.
func Of(pids []int) map[int]Footprint {
	found := map[int]Footprint{}
	for _, pid := range pids {
		if memory, err := launch.Memory(pid); err == nil {
			found[pid] = Footprint{Memory: memory, Files: -1}
		}
	}
	return found
}

// Quick is Of.
func Quick(pids []int, _ *procfs.Table) map[int]Footprint { return Of(pids) }

// Connections are not known here.
func Connections(map[int][]int) map[int]int { return nil }
