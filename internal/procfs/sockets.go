package procfs

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

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
