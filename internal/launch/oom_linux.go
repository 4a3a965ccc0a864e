package launch

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ownOOMKills reads the count of this process's memory cgroup, v2 (memory.events) or
// v1 (memory.oom_control), which its workers are in, too. Where neither is there it
// is that of the machine.
func ownOOMKills() oomCount {
	return oomKillsBy("/proc/self", machineWide)
}

func oomKillsBy(proc, vmstat string) oomCount {
	for _, candidate := range []struct{ controller, file string }{{"", "memory.events"}, {"memory", "memory.oom_control"}} {
		dir := cgroupOf(proc, candidate.controller)
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

// oomKills is the worker's own count; ok is false where memory is not counted there.
func (g *cgroup) oomKills() (kills uint64, ok bool) {
	if g == nil {
		return 0, false
	}
	return oomKillsIn(filepath.Join(g.dir, "memory.events"))
}

// cgroupOf finds the directory of a process's cgroup: its path is a line of cgroup,
// 0::PATH for v2 and N:CONTROLLERS:PATH for v1 (cgroups(7)), below a mount of that
// hierarchy in mountinfo (proc_pid_mountinfo(5)). controller is empty for v2.
func cgroupOf(proc, controller string) string {
	path := cgroupPath(proc, controller)
	if path == "" {
		return ""
	}
	mounts, err := os.Open(proc + "/mountinfo")
	if err != nil {
		return ""
	}
	defer mounts.Close()
	for lines := bufio.NewScanner(mounts); lines.Scan(); {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if len(fields) < 5 || len(kind) < 3 || !mountsHierarchy(kind[0], kind[2], controller) {
			continue
		}
		if below, err := filepath.Rel(fields[3], path); err == nil && below != ".." && !strings.HasPrefix(below, "../") {
			return filepath.Join(fields[4], below)
		}
	}
	return ""
}

func cgroupPath(proc, controller string) (path string) {
	text, err := os.ReadFile(proc + "/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) == 3 && hasWord(fields[1], controller) && (controller != "" || fields[0] == "0") {
			path = fields[2]
		}
	}
	return path
}

func mountsHierarchy(kind, options, controller string) bool {
	if controller == "" {
		return kind == "cgroup2"
	}
	return kind == "cgroup" && hasWord(options, controller)
}

func hasWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}
