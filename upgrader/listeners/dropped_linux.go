package listeners

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"relevo/internal/sockdiag"
)

// Indices of SO_MEMINFO, from linux/sock_diag.h.
const (
	memInfoReceived = 0 // bytes in the receive queue, with what the kernel needs for them
	memInfoBuffer   = 1 // the most that there may be
	memInfoDrops    = 8
	memInfoFields   = 9
)

// droppedAt is how many packets a TCP listener has discarded.
func droppedAt(l *Listener) int {
	info, _ := memInfo(l)
	return int(info[memInfoDrops])
}

// datagrams is what waits at a UDP socket, and how many datagrams it has lost. Between two reads
// of a worker a queue is hardly ever empty, so only one that is half full counts.
func datagrams(l *Listener) (waiting, dropped int) {
	info, ok := memInfo(l)
	if ok && info[memInfoReceived] > info[memInfoBuffer]/2 {
		waiting = 1
	}
	return waiting, int(info[memInfoDrops])
}

// discarded is how many packets, or datagrams, a listener has discarded; nil: that is not known.
func discarded(l *Listener) *int {
	info, ok := memInfo(l)
	if !ok {
		return nil
	}
	n := int(info[memInfoDrops])
	return &n
}

func memInfo(l *Listener) (info [memInfoFields]uint32, ok bool) {
	size := uint32(unsafe.Sizeof(info))
	_, _, err := unix.Syscall6(unix.SYS_GETSOCKOPT, l.file.Fd(), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	return info, err == 0 && size >= memInfoFields*4
}

// waitingLocally is how many connections wait at a Unix socket; 0 where the kernel does not tell.
func waitingLocally(l *Listener) int {
	var stat unix.Stat_t
	if l.Datagram() || unix.Fstat(int(l.file.Fd()), &stat) != nil {
		return 0
	}
	waiting, _ := sockdiag.WaitingLocally(uint32(stat.Ino))
	return waiting
}
