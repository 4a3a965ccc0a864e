package procfs

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"strconv"
	"syscall"
)

// inhabitants appends the processes that a /proc lists, sorted by their numbers. It does without os.File,
// which makes a string of each name and has no inodes.
func inhabitants(root string, all []inhabitant) []inhabitant {
	directory, err := retried(func() (int, error) {
		return syscall.Open(root, syscall.O_RDONLY|syscall.O_CLOEXEC|syscall.O_DIRECTORY, 0)
	})
	if err != nil {
		return all
	}
	defer syscall.Close(directory)
	var buffer [8192]byte
	for {
		n, err := retried(func() (int, error) { return syscall.ReadDirent(directory, buffer[:]) })
		if n <= 0 || err != nil {
			break
		}
		all = parseEntries(buffer[:n], all)
	}
	byNumber := func(a, b inhabitant) int { return cmp.Compare(a.pid, b.pid) }
	if !slices.IsSortedFunc(all, byNumber) {
		slices.SortFunc(all, byNumber)
	}
	return all
}

// parseEntries appends the processes among entries of a directory: struct linux_dirent64 of getdents(2).
func parseEntries(entries []byte, all []inhabitant) []inhabitant {
	const length, name = 16, 19
	for len(entries) > name {
		size := int(binary.NativeEndian.Uint16(entries[length:]))
		if size <= name || size > len(entries) {
			break
		}
		text, _, _ := bytes.Cut(entries[name:size], []byte{0})
		if pid, ok := number(text); ok {
			all = append(all, inhabitant{pid: pid, inode: binary.NativeEndian.Uint64(entries)})
		}
		entries = entries[size:]
	}
	return all
}

// number reads the number of a process, without the error of strconv.Atoi: /proc has other names, too.
func number(name []byte) (pid int, ok bool) {
	if len(name) == 0 || name[0] < '0' || name[0] > '9' {
		return 0, false
	}
	pid, err := strconv.Atoi(string(name))
	return pid, err == nil
}
