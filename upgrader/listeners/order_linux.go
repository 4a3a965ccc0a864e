package listeners

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Indices of SO_MEMINFO, from linux/sock_diag.h.
const (
	memInfoDrops  = 8
	memInfoFields = 9
)

// dropped counts the packets that the kernel has dropped at a listening socket.
func dropped(file *os.File) uint32 {
	var info [memInfoFields]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, err := unix.Syscall6(unix.SYS_GETSOCKOPT, file.Fd(), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if err != 0 {
		return 0
	}
	return info[memInfoDrops]
}

// minHops has a socket drop packets that may travel fewer hops still, and returns what
// it was.
func minHops(file *os.File, six bool, hops int) (before int, err error) {
	level, option := unix.IPPROTO_IP, unix.IP_MINTTL
	if six {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_MINHOPCOUNT
	}
	fd := int(file.Fd())
	if before, err = unix.GetsockoptInt(fd, level, option); err != nil {
		return 0, err
	}
	return before, unix.SetsockoptInt(fd, level, option, hops)
}

// hops limits how far the client's packets may travel.
func (c *client) hops(n int) error {
	level, option := unix.IPPROTO_IP, unix.IP_TTL
	if c.target.Addr().Is6() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
	}
	return unix.SetsockoptInt(int(c.file.Fd()), level, option, n)
}
