package launch

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"relevo/internal/procfs"
)

// observer looks whether a worker, or a child of it, waits on an inherited
// listener: an epoll set holds it (proc_pid_fdinfo(5)), or a thread is in
// accept, poll or select on it (proc_pid_syscall(5)). It is a heuristic: a
// program may register a listener a moment before it serves. The cost of that
// error is that requests wait in the accept queue; none is lost.
type observer struct {
	pid    int
	inodes map[uint64]bool
	blind  error // the shortage because of which the last look did not see everything
}

func newObserver(pid int, listeners []Listener) *observer {
	return &observer{pid: pid, inodes: inodesOf(listeners)}
}

func (o *observer) waits() bool {
	o.blind = nil
	return o.tree(o.pid, 0)
}

// blindness says why the last look did not see everything, empty if it did.
func (o *observer) blindness() string {
	if o.blind == nil {
		return ""
	}
	return fmt.Sprintf("%v; %s", o.blind, shortageHint(o.blind))
}

// note keeps an error that shows a shortage of the machine. Other errors only say that
// the process has ended.
func (o *observer) note(err error) {
	if shortageHint(err) != "" {
		o.blind = err
	}
}

// tree looks at a process and its descendants, because a worker may be a shell that runs
// the server.
func (o *observer) tree(pid, depth int) bool {
	const deepest = 8
	if o.process(pid) {
		return true
	}
	if depth == deepest {
		return false
	}
	children, err := procfs.Of(pid).Children()
	o.note(err)
	return slices.ContainsFunc(children, func(child int) bool { return o.tree(child, depth+1) })
}

func (o *observer) process(pid int) bool {
	proc := fmt.Sprintf("/proc/%d", pid)
	entries, err := os.ReadDir(proc + "/fd")
	if err != nil {
		o.note(err)
		return false
	}
	listening := map[int]bool{} // the process's descriptors of our listeners
	for _, entry := range entries {
		target, err := os.Readlink(proc + "/fd/" + entry.Name())
		if err != nil {
			continue
		}
		if target == "anon_inode:[eventpoll]" && o.epollHolds(proc+"/fdinfo/"+entry.Name()) {
			return true
		}
		var inode uint64
		if fd, err := strconv.Atoi(entry.Name()); err == nil {
			if n, _ := fmt.Sscanf(target, "socket:[%d]", &inode); n == 1 && o.inodes[inode] {
				listening[fd] = true
			}
		}
	}
	return len(listening) > 0 && o.threadWaits(pid, listening)
}

// epollHolds reads lines like "tfd: 3 events: 19 data: … pos:0 ino:1c2f sdev:8".
func (o *observer) epollHolds(path string) bool {
	info, err := os.ReadFile(path)
	if err != nil {
		o.note(err)
		return false
	}
	for line := range bytes.Lines(info) {
		fields := strings.Fields(strings.NewReplacer("ino:", "ino: ", "events:", "events: ").Replace(string(line)))
		if len(fields) == 0 || fields[0] != "tfd:" {
			continue
		}
		var events, inode uint64
		for i := 0; i+1 < len(fields); i++ {
			switch fields[i] {
			case "events:":
				events, _ = strconv.ParseUint(fields[i+1], 16, 64)
			case "ino:":
				inode, _ = strconv.ParseUint(fields[i+1], 16, 64)
			}
		}
		if events&unix.EPOLLIN != 0 && o.inodes[inode] {
			return true
		}
	}
	return false
}

// threadWaits says whether a thread sits in a system call on one of the fds.
func (o *observer) threadWaits(pid int, fds map[int]bool) bool {
	calls, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	for _, path := range calls {
		text, err := os.ReadFile(path)
		if err != nil {
			o.note(err)
			continue
		}
		if number, args, ok := parseSyscall(string(text)); ok && callWaits(pid, number, args, fds) {
			return true
		}
	}
	return false
}

// parseSyscall reads a line such as "43 0x3 0x7ffd… …". For a thread that is not in a
// system call the file holds "running".
func parseSyscall(text string) (number uintptr, args [6]uint64, ok bool) {
	fields := strings.Fields(text)
	if len(fields) < 7 {
		return 0, args, false
	}
	n, err := strconv.ParseInt(fields[0], 10, 32)
	if err != nil || n < 0 {
		return 0, args, false
	}
	for i := range args {
		args[i], _ = strconv.ParseUint(strings.TrimPrefix(fields[i+1], "0x"), 16, 64)
	}
	return uintptr(n), args, true
}

func callWaits(pid int, number uintptr, args [6]uint64, fds map[int]bool) bool {
	switch waitCalls[number] {
	case waitsOnFD:
		return fds[int(args[0])]
	case waitsOnPoll:
		return pollWaits(pid, args[0], args[1], fds)
	case waitsOnSelect:
		return selectWaits(pid, args[0], args[1], fds)
	}
	return false
}

// waitKind says in which arguments a system call gets the descriptors that it waits for.
type waitKind int

const (
	waitsOnFD     waitKind = iota + 1 // the first argument is the descriptor
	waitsOnPoll                       // an array of struct pollfd and its length
	waitsOnSelect                     // a number of bits and a bit set
)

func pollWaits(pid int, address, count uint64, fds map[int]bool) bool {
	const entry, most = 8, 1024 // sizeof(struct pollfd)
	array := readMemory(pid, address, min(count, most)*entry)
	for ; len(array) >= entry; array = array[entry:] {
		fd := int(int32(le32(array)))
		events := uint16(array[4]) | uint16(array[5])<<8
		if events&unix.POLLIN != 0 && fds[fd] {
			return true
		}
	}
	return false
}

func selectWaits(pid int, bits, address uint64, fds map[int]bool) bool {
	const most = 1024 // FD_SETSIZE
	set := readMemory(pid, address, (min(bits, most)+7)/8)
	for fd := range fds {
		if fd/8 < len(set) && set[fd/8]&(1<<(fd%8)) != 0 {
			return true
		}
	}
	return false
}

func le32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

// readMemory copies from another process (process_vm_readv(2)), which the kernel
// allows for a child of the same user.
func readMemory(pid int, address, length uint64) []byte {
	if address == 0 || length == 0 {
		return nil
	}
	buffer := make([]byte, length)
	into := unix.Iovec{Base: &buffer[0]}
	into.SetLen(int(length)) // its type depends on the processor
	n, err := unix.ProcessVMReadv(pid, []unix.Iovec{into},
		[]unix.RemoteIovec{{Base: uintptr(address), Len: int(length)}}, 0)
	if err != nil {
		return nil
	}
	return buffer[:n]
}
