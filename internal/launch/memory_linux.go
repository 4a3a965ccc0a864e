package launch

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Memory is how many bytes of memory a process and its descendants hold. What
// they share is counted once: a page counts with its share for each process that
// has it (Pss, see proc_pid_smaps(5)); where that cannot be read it is the
// resident set. An error means that the process is gone.
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

// descendants are the children of a process, theirs, and so on. One whose parent
// has died is none any more.
func descendants(pid int) (found []int) {
	children, ok := childrenOf(pid)
	if !ok {
		return descendantsIn(allParents(), pid)
	}
	for _, child := range children {
		found = append(append(found, child), descendants(child)...)
	}
	return found
}

// childrenOf asks the kernel, which may be built without the answer
// (CONFIG_PROC_CHILDREN).
func childrenOf(pid int) (children []int, ok bool) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue
		}
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				children = append(children, child)
			}
		}
	}
	return children, len(lists) > 0
}

// allParents reads the parent of every process, the fourth field of
// proc_pid_stat(5); the second one may hold blanks and ends with the last ")".
func allParents() map[int]int {
	parents := map[int]int{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		pid, _ := strconv.Atoi(strings.Split(file, "/")[2])
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) > 1 {
			parents[pid], _ = strconv.Atoi(fields[1])
		}
	}
	return parents
}

func descendantsIn(parents map[int]int, pid int) (found []int) {
	for child, parent := range parents {
		if parent == pid && child != pid {
			found = append(append(found, child), descendantsIn(parents, child)...)
		}
	}
	return found
}
