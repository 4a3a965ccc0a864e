package procfs

import (
	"bytes"
	"io/fs"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Sockets adds the inodes of the sockets that a process has open. The error says
// that its descriptors cannot be read.
func Sockets(pid int, into map[uint64]bool) error {
	_, err := EachSocket(pid, func(inode uint64) { into[inode] = true })
	return err
}

// EachSocket calls found for each descriptor of a process that is a socket, and returns how many
// descriptors there are. It does without os.File, which would ask the runtime's poller about each
// directory: those of many processes are read at once.
func EachSocket(pid int, found func(inode uint64)) (open int, err error) {
	path := "/proc/" + strconv.Itoa(pid) + "/fd"
	directory, err := retried(func() (int, error) {
		return syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC|syscall.O_DIRECTORY, 0)
	})
	if err != nil {
		return 0, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer syscall.Close(directory)
	d := descriptors{directory: directory, found: found}
	open, all := d.guess()
	if all {
		return open, nil
	}
	if err := d.list(); err != nil {
		return 0, &fs.PathError{Op: "readdirent", Path: path, Err: err}
	}
	return max(open, d.seen), nil
}

// descriptors is the directory of a process's open descriptors.
type descriptors struct {
	directory int
	found     func(inode uint64)
	asked     int // all numbers below this one were tried
	seen      int
}

// gaps is how many unused numbers guess tries.
const gaps = 16

// guess tries the lowest numbers without listing the directory, because a list costs the kernel as
// much as everything else here, and most processes use the lowest numbers. Since Linux 6.2 the size
// of the directory is the number of descriptors, so guess knows whether it has found all.
func (d *descriptors) guess() (open int, all bool) {
	var about syscall.Stat_t
	if syscall.Fstat(d.directory, &about) != nil || about.Size == 0 {
		return 0, false
	}
	open = int(about.Size)
	for ; d.seen < open && d.asked < open+gaps; d.asked++ {
		d.look(strconv.Itoa(d.asked))
	}
	return open, d.seen == open
}

// list looks at the descriptors that guess has not tried.
func (d *descriptors) list() error {
	var buffer [2048]byte
	var names []string
	for {
		n, err := retried(func() (int, error) { return syscall.ReadDirent(d.directory, buffer[:]) })
		if err != nil {
			return err
		}
		if n <= 0 {
			break
		}
		_, _, names = syscall.ParseDirent(buffer[:n], -1, names)
	}
	for _, name := range names {
		if number, err := strconv.Atoi(name); err == nil && number >= d.asked {
			d.look(name)
		}
	}
	return nil
}

// look calls found if a descriptor is a socket.
func (d *descriptors) look(name string) {
	var target [64]byte // the name of a file may be longer
	n, err := unix.Readlinkat(d.directory, name, target[:])
	if err != nil {
		return
	}
	d.seen++
	if inode, is := socketInode(target[:n]); is {
		d.found(inode)
	}
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
