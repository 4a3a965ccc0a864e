package launch

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"relevo/internal/procfs"
)

// ownOOMKills reads the count of this process's memory cgroup, which includes its workers:
// v2 (memory.events) or v1 (memory.oom_control). Without either it is the machine's count.
func ownOOMKills() oomCount {
	return oomKillsBy(procfs.Self, machineWide)
}

func oomKillsBy(process procfs.Process, vmstat string) oomCount {
	for _, candidate := range []struct{ controller, file string }{{"", "memory.events"},
		{"memory", "memory.oom_control"}} {
		dir := process.CgroupDirectory(candidate.controller)
		if dir == "" {
			continue
		}
		if kills, ok := oomKillsIn(filepath.Join(dir, candidate.file)); ok {
			return oomCount{"the cgroup " + dir, kills}
		}
	}
	kills, _ := oomKillsIn(vmstat)
	return oomCount{machineWide, kills}
}

// oomKillsIn reads the line oom_kill of a file of lines "NAME COUNT".
func oomKillsIn(file string) (kills uint64, ok bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if count, found := strings.CutPrefix(line, "oom_kill "); found {
			kills, err = strconv.ParseUint(strings.TrimSpace(count), 10, 64)
			return kills, err == nil
		}
	}
	return 0, false
}

// oomKills reads the count of a worker's own cgroup; ok is false if memory is not counted
// there.
func (g *cgroup) oomKills() (kills uint64, ok bool) {
	if g == nil {
		return 0, false
	}
	return oomKillsIn(filepath.Join(g.dir, "memory.events"))
}
