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

// most is more than any socket holds (SO_RCVLOWAT, socket(7)): no epoll, poll or select
// wakes for what the client sends, and no read that waits already. A read that does not
// block takes what is there. One that blocks and begins later would take the data, too,
// and go on waiting for more.
const most = 1<<31 - 1

// hold keeps what the client sends from the worker: it stays in the socket. It says false,
// and lets go again, where the worker may have been woken meanwhile and be about to read:
// some programs change the mode of a connection for each request.
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
	c.release()
	return false
}

// moment is what must not change while hold does its work.
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

// isHeld says whether hold was called, by any process, and release was not: the kernel makes
// most smaller.
func isHeld(fd int) bool {
	least, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT)
	return err == nil && least > 1
}

func (c *connection) release() { release(c.fd) }

// release undoes hold and dropData, in whatever process.
func release(fd int) {
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, 1)
	takeData(fd)
}

// takeData undoes dropData.
func takeData(fd int) {
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) // there may be none
}

// dropData has the kernel pass over segments with data, which the client sends again:
// 200 ms later, or more. It takes CAP_NET_ADMIN on newer kernels. The filter sees packets
// from the TCP header on, whose length is in the upper half of byte 13 (RFC 9293, 3.1).
func dropData(fd int) error {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) == nil {
		return errors.New("the program has a filter of its own") // and is without it now
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

// readers are the threads of processes that are stopped in a read, by process and
// descriptor. Each process is looked at once.
type readers map[int]map[int]int

// of returns the thread that reads a process's descriptor, 0: none.
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

// threadCall is the system call that a thread is stopped in (proc_pid_syscall(5)).
func threadCall(pid, thread int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/syscall", pid, thread))
	return string(text)
}

// readOf returns the descriptor that a system call reads.
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
