// Package procfs reads what /proc tells of processes. It is the common part of those
// who look at whole families of processes.
package procfs

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// deepest is how far down a family is looked at.
const deepest = 16

// Tree is a process and its descendants, the process first. A process that ends
// meanwhile is left out.
func Tree(pid int) []int { return tree(pid, 0) }

func tree(pid, depth int) []int {
	all := []int{pid}
	if depth == deepest {
		return all
	}
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, path := range threads {
		children, _ := os.ReadFile(path)
		for child := range strings.FieldsSeq(string(children)) {
			if id, err := strconv.Atoi(child); err == nil {
				all = append(all, tree(id, depth+1)...)
			}
		}
	}
	return all
}

// Sockets adds the inodes of the sockets that a process has open. The error says
// that its descriptors cannot be read.
func Sockets(pid int, into map[uint64]bool) error {
	directory := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(directory)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		target, err := os.Readlink(directory + "/" + entry.Name())
		if err != nil {
			continue
		}
		if number, is := strings.CutPrefix(target, "socket:["); is {
			if inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64); err == nil {
				into[inode] = true
			}
		}
	}
	return nil
}
