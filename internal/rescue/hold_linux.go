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

// hold keeps what the client sends from the worker: it stays in the socket where the
// worker's reads do not block, and with the client where they do.
func (c *connection) hold() error {
	if isNonBlocking(c.fd) {
		c.drops = false
		return unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, most)
	}
	// A read that blocks would take the data and go on waiting for more.
	err := dropData(c.fd)
	c.drops = err == nil
	return err
}

// holdBetter lets what the client sends into the socket again where reads have come not
// to block: some programs change the mode of a connection between two requests.
func (c *connection) holdBetter() {
	if c.drops && isNonBlocking(c.fd) && c.hold() == nil {
		unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	}
}

// most is more than any socket holds (SO_RCVLOWAT, socket(7)): no epoll, poll or select
// wakes for what the client sends. A read that does not block takes what is there.
const most = 1<<31 - 1

func (c *connection) release() { release(c.fd) }

// release undoes hold, in whatever process.
func release(fd int) {
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, 1)
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
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
}

func isNonBlocking(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_NONBLOCK != 0
}

// isRead says whether a thread of a process is stopped in a read of its descriptor
// (proc_pid_syscall(5)).
func isRead(pid, fd int) bool {
	calls, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	for _, path := range calls {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(text))
		if len(fields) < 2 {
			continue // "running"
		}
		number, err := strconv.Atoi(fields[0])
		first, argErr := strconv.ParseUint(strings.TrimPrefix(fields[1], "0x"), 16, 64)
		if err == nil && argErr == nil && int32(first) == int32(fd) && slices.Contains(reads, number) {
			return true
		}
	}
	return false
}

var reads = []int{unix.SYS_READ, unix.SYS_READV, unix.SYS_RECVFROM, unix.SYS_RECVMSG}
