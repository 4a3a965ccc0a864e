package launch

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"relevo/internal/procfs"
)

// Place is where the use of processors by a worker and its descendants is read: the worker's
// own cgroup, or /proc.
type Place struct {
	pid    int
	cgroup string // the directory; empty: the worker shares its cgroup with this process
}

// PlaceOf finds the place of a worker.
func PlaceOf(pid int) Place {
	if procfs.Of(pid).Cgroup("") == procfs.Self.Cgroup("") {
		return Place{pid: pid}
	}
	return Place{pid: pid, cgroup: procfs.Of(pid).CgroupDirectory("")}
}

// CPU is the time on processors so far. Of descendants that have ended only the cgroup knows.
func (p Place) CPU() (used time.Duration, err error) {
	if text, err := os.ReadFile(filepath.Join(p.cgroup, "cpu.stat")); p.cgroup != "" && err == nil {
		if us, ok := fieldOf(string(text), "usage_usec "); ok {
			return time.Duration(us) * time.Microsecond, nil
		}
	}
	stat, err := procfs.Of(p.pid).Stat()
	if err != nil {
		return 0, fmt.Errorf("cannot read the processor time of process %d: %w", p.pid, err)
	}
	used = stat.CPU()
	for _, child := range descendants(p.pid) {
		if stat, err := procfs.Of(child).Stat(); err == nil { // it may have ended
			used += stat.CPU()
		}
	}
	return used, nil
}

// Pressure is the part of the last ten seconds in which one of the worker's threads waited
// for a processor (cpu.pressure of its cgroup); 0 where the kernel does not tell.
func (p Place) Pressure() float64 {
	if p.cgroup == "" {
		return 0
	}
	text, err := os.ReadFile(filepath.Join(p.cgroup, "cpu.pressure"))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), "some avg10=")
	average, _, _ := strings.Cut(after, " ")
	percent, err := strconv.ParseFloat(average, 64)
	if err != nil {
		return 0
	}
	return percent / 100
}

// FreeMemory is how many bytes the machine has to give, and the cgroups of this process.
func FreeMemory() (bytes int64, ok bool) {
	text, err := os.ReadFile("/proc/meminfo")
	free, ok := fieldOf(string(text), "MemAvailable:")
	if err != nil || !ok {
		return 0, false
	}
	free <<= 10
	dir := procfs.Self.CgroupDirectory("")
	for ; dir != "" && dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		if left, err := leftIn(dir); err == nil { // not every one has a memory controller
			free = min(free, left)
		}
	}
	return free, true
}

// leftIn is what a cgroup may still use; file pages that can be dropped count as free.
func leftIn(dir string) (int64, error) {
	current, err := os.ReadFile(filepath.Join(dir, "memory.current"))
	if err != nil {
		return 0, err
	}
	limit, err := os.ReadFile(filepath.Join(dir, "memory.max"))
	if err != nil {
		return 0, err
	}
	most, err := strconv.ParseInt(strings.TrimSpace(string(limit)), 10, 64)
	if err != nil {
		return math.MaxInt64, nil // max
	}
	used, err := strconv.ParseInt(strings.TrimSpace(string(current)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("cannot understand memory.current of %s: %w", dir, err)
	}
	stat, _ := os.ReadFile(filepath.Join(dir, "memory.stat"))
	files, _ := fieldOf(string(stat), "inactive_file ")
	return max(most-used+files, 0), nil
}

// fieldOf reads the number after a name at the beginning of a line.
func fieldOf(text, name string) (int64, bool) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name); ok && len(strings.Fields(rest)) > 0 {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
