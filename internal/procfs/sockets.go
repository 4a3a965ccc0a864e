package procfs

import (
	"bytes"
	"fmt"
	"io/fs"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Sockets adds the inodes of the sockets that a process has open. The error says
// that its descriptors cannot be read. It does without os.File, which would ask the runtime's
// poller about each directory: those of many processes are read at once.
func Sockets(pid int, into map[uint64]bool) error {
	path := fmt.Sprintf("/proc/%d/fd", pid)
	directory, err := retried(func() (int, error) {
		return syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC|syscall.O_DIRECTORY, 0)
	})
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer syscall.Close(directory)
	buffer := make([]byte, 2048)
	var names []string
	for {
		n, err := retried(func() (int, error) { return syscall.ReadDirent(directory, buffer) })
		if err != nil {
			return &fs.PathError{Op: "readdirent", Path: path, Err: err}
		}
		if n <= 0 {
			break
		}
		_, _, names = syscall.ParseDirent(buffer[:n], -1, names)
	}
	for _, name := range names {
		n, err := unix.Readlinkat(directory, name, buffer)
		if err != nil {
			continue
		}
		if inode, is := socketInode(buffer[:n]); is {
			into[inode] = true
		}
	}
	return nil
}

// socketInode reads "socket:[1234]".
func socketInode(target []byte) (inode uint64, is bool) {
	number, is := bytes.CutPrefix(target, []byte("socket:["))
	if !is {
		return 0, false
	}
	inode, err := strconv.ParseUint(string(bytes.TrimSuffix(number, []byte("]"))), 10, 64)
	return inode, err == nil
}
