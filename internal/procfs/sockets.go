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
	directory, err := os.Open(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return err
	}
	defer directory.Close()
	names, err := directory.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		target, err := os.Readlink(directory.Name() + "/" + name)
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
