package launch

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// recvmmsg waits for one datagram in the call of that name.
func recvmmsg(fd int) {
	var data [1]byte
	iov := unix.Iovec{Base: &data[0]}
	iov.SetLen(1)
	message := struct {
		header unix.Msghdr
		length uint32
		_      [4]byte
	}{header: unix.Msghdr{Iov: &iov}}
	message.header.SetIovlen(1)
	unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&message)), 1, 0, 0, 0)
}
