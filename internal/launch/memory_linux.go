package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"relevo/internal/procfs"
)

// Memory returns how many bytes of memory a process and its descendants have. A page that
// several processes share is divided among them (Pss, see proc_pid_smaps(5)). If Pss cannot
// be read, it is the resident set. An error means that the process has ended.
func Memory(pid int) (bytes int64, err error) {
	if bytes, err = memoryOf(pid); err != nil {
		return 0, fmt.Errorf("cannot read the memory of process %d: %w", pid, err)
	}
	for _, child := range descendants(pid) {
		if more, err := memoryOf(child); err == nil { // it may have ended
			bytes += more
		}
	}
	return bytes, nil
}

func memoryOf(pid int) (int64, error) {
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid)); err == nil {
		if _, after, ok := strings.Cut(string(text), "\nPss:"); ok {
			kilobytes, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
			return kilobytes << 10, err
		}
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid)) // size resident …, in pages
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, nil // a zombie
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// descendants returns the children of a process, their children, and so on. A process whose
// parent has ended is no longer a descendant.
func descendants(pid int) (found []int) {
	children, err := procfs.Of(pid).Children()
	if errors.Is(err, fs.ErrNotExist) {
		return descendantsIn(procfs.Parents(), pid)
	}
	for _, child := range children {
		found = append(append(found, child), descendants(child)...)
	}
	return found
}

func descendantsIn(parents map[int]int, pid int) (found []int) {
	for child, parent := range parents {
		if parent == pid && child != pid {
			found = append(append(found, child), descendantsIn(parents, child)...)
		}
	}
	return found
}
