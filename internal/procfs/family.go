package procfs

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Children returns the children of a process, by all of its threads. The error says why some may be
// missing: it is fs.ErrNotExist if the process has ended, or if the kernel was built without this
// list (CONFIG_PROC_CHILDREN).
func (p Process) Children() (children []int, err error) {
	lists, _ := filepath.Glob(string(p) + "/task/*/children")
	if len(lists) == 0 {
		return nil, fs.ErrNotExist
	}
	for _, list := range lists {
		text, failed := Process(filepath.Dir(list)).read("children")
		if failed != nil && !Ended(failed) {
			err = failed
		}
		for field := range strings.FieldsSeq(text) {
			if child, err := strconv.Atoi(field); err == nil {
				children = append(children, child)
			}
		}
	}
	return children, err
}

// Ended says whether the error means that a process or thread has just ended.
func Ended(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) }

// deepest bounds the generations of a family.
const deepest = 16

// Tree is a process and its descendants, parents first. A process that ends meanwhile
// is left out.
func Tree(pid int) []int {
	all := []int{pid}
	generation := all
	for depth := 0; depth < deepest && len(generation) > 0; depth++ {
		var next []int
		for _, parent := range generation {
			children, _ := Of(parent).Children()
			for _, child := range children {
				if !slices.Contains(all, child) {
					all, next = append(all, child), append(next, child)
				}
			}
		}
		generation = next
	}
	return all
}

// Parents returns the parents of all visible processes, by the child.
func Parents() map[int]int {
	parents := map[int]int{}
	for _, pid := range All() {
		if stat, err := Of(pid).Stat(); err == nil {
			parents[pid] = stat.Parent()
		}
	}
	return parents
}
