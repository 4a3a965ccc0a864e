package upgrader

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Indices of SO_MEMINFO, from linux/sock_diag.h.
const (
	memInfoDrops  = 8
	memInfoFields = 9
)

// Dropped counts the connections that the kernel turned away at the TCP listeners
// of now since they were opened, because nobody accepted in time; ok is false where
// there is none, or the kernel does not tell. The kernel counts in tcp_listendrop.
func (u *Upgrader) Dropped() (n int, ok bool) {
	for _, l := range u.Listeners() {
		if !l.IsTCP() {
			continue
		}
		dropped, known := droppedAt(l)
		if !known {
			return 0, false
		}
		n, ok = n+dropped, true
	}
	return n, ok
}

// droppedAt is Dropped of one TCP listener.
func droppedAt(l *Listener) (n int, ok bool) {
	var info [memInfoFields]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, err := unix.Syscall6(unix.SYS_GETSOCKOPT, l.file.Fd(), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if err != 0 || size < memInfoFields*4 {
		return 0, false
	}
	return int(info[memInfoDrops]), true
}
