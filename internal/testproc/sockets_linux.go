package testproc

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Polled returns the inodes that can wake this process by its epoll sets: proc_pid_fdinfo(5)
// has a line "tfd: 9 events: … ino:6c9b sdev:8" for each.
func Polled() (map[uint64]bool, error) {
	polled := map[uint64]bool{}
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		return nil, err
	}
	sets := 0
	for _, link := range links {
		if target, _ := os.Readlink(link); target != "anon_inode:[eventpoll]" {
			continue
		}
		sets++
		text, err := os.ReadFile("/proc/self/fdinfo/" + filepath.Base(link))
		if err != nil {
			return nil, err
		}
		// The part before the first tfd is about the set itself.
		for _, entry := range strings.Split(string(text), "tfd:")[1:] {
			_, events, _ := strings.Cut(entry, "events:")
			if mask, err := strconv.ParseUint(strings.Fields(events)[0], 16, 32); err != nil || mask&unix.EPOLLIN == 0 {
				continue // it asks for hangups only
			}
			_, inode, _ := strings.Cut(entry, "ino:")
			n, err := strconv.ParseUint(strings.Fields(inode)[0], 16, 64)
			if err != nil {
				return nil, err
			}
			polled[n] = true
		}
	}
	if sets == 0 {
		return nil, fmt.Errorf("this process has no epoll set to look into")
	}
	return polled, nil
}

// Inode is that of an open file.
func Inode(file *os.File) (uint64, error) {
	var stat unix.Stat_t
	err := unix.Fstat(int(file.Fd()), &stat)
	return stat.Ino, err
}

// Copies counts this process's descriptors of a socket.
func Copies(inode uint64) (n int) {
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, link := range links {
		if target, _ := os.Readlink(link); target == fmt.Sprintf("socket:[%d]", inode) {
			n++
		}
	}
	return n
}
