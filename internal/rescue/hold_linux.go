package rescue

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// most is a value of SO_RCVLOWAT (socket(7)) that is larger than any socket's buffer. With it,
// what the client sends wakes no epoll, poll or select, and no read that waits already. A
// non-blocking read still takes the data. So does a blocking read that begins later, and
// then waits for more.
const most = 1<<31 - 1

// hold makes what the client sends stay in the socket, unread by the worker. It returns
// false, and undoes that, if the worker may have been woken meanwhile and be about to read.
// The mode is compared as well, because some programs change it for each request.
func (c *connection) hold(l look) bool {
	quiet := moment{received: l.received, blocks: l.blocks, reads: l.reads}
	if now, err := c.moment(); err != nil || now != quiet {
		return false
	}
	if unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, most) != nil {
		return false
	}
	if now, err := c.moment(); err == nil && now == quiet {
		return true
	}
	c.unhold()
	return false
}

// moment is the state that must not change while hold works.
type moment struct {
	unread        int
	received      uint64
	blocks, reads bool
}

func (c *connection) moment() (m moment, err error) {
	if m.unread, err = unix.IoctlGetInt(c.fd, unix.SIOCINQ); err != nil {
		return m, err
	}
	info, err := unix.GetsockoptTCPInfo(c.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return m, err
	}
	m.received, m.blocks = info.Bytes_received, !isNonBlocking(c.fd)
	if m.blocks && c.reader != 0 {
		fd, ok := readOf(threadCall(c.pid, c.reader))
		m.reads = ok && fd == c.theirs
	}
	return m, nil
}

// isHeld says whether any process has called hold, and none unhold. The kernel reduces most
// to the size of the buffer.
func isHeld(fd int) bool {
	least, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT)
	return err == nil && least > 1
}

func (c *connection) unhold() { unhold(c.fd) }

// unhold undoes hold and dropData, also those of another process.
func unhold(fd int) {
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, 1)
	takeData(fd)
}

// takeData undoes dropData.
func takeData(fd int) {
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) // fails if there is no filter
}

// dropData makes the kernel drop segments with data, by a filter on the socket. The client
// sends them again after 200 ms or more. Newer kernels require CAP_NET_ADMIN. The filter
// gets packets from the TCP header on. The header's length is in the upper half of byte 13
// (RFC 9293, 3.1).
func dropData(fd int) error {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) == nil {
		return errors.New("the program has a filter of its own") // it is detached now
	}
	const offset, all = 12, 0xffffffff
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: offset},
		{Code: unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K, K: 4},
		{Code: unix.BPF_ALU | unix.BPF_LSH | unix.BPF_K, K: 2},
		{Code: unix.BPF_MISC | unix.BPF_TAX},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_LEN},
		{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_X, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: all},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
}

func isNonBlocking(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_NONBLOCK != 0
}

// readers are the threads that wait in a read, by process and descriptor. Each process is
// looked at once.
type readers map[int]map[int]int

// of returns the thread that reads a process's descriptor, 0 if none does.
func (r readers) of(pid, fd int) (thread int) {
	known, ok := r[pid]
	if !ok {
		known = map[int]int{}
		calls, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*", pid))
		for _, path := range calls {
			thread, _ := strconv.Atoi(filepath.Base(path))
			if fd, ok := readOf(threadCall(pid, thread)); ok {
				known[fd] = thread
			}
		}
		r[pid] = known
	}
	return known[fd]
}

// threadCall returns the system call in which a thread waits (proc_pid_syscall(5)).
func threadCall(pid, thread int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/syscall", pid, thread))
	return string(text)
}

// readOf returns the descriptor that a system call reads, if it is a read.
func readOf(call string) (fd int, ok bool) {
	fields := strings.Fields(call)
	if len(fields) < 2 {
		return 0, false // "running"
	}
	number, err := strconv.Atoi(fields[0])
	if err != nil || !slices.Contains(reads, number) {
		return 0, false
	}
	first, err := strconv.ParseUint(strings.TrimPrefix(fields[1], "0x"), 16, 64)
	return int(int32(first)), err == nil
}

var reads = []int{unix.SYS_READ, unix.SYS_READV, unix.SYS_RECVFROM, unix.SYS_RECVMSG}
