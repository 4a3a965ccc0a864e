package seats

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

// minHops is the lowest hop count with which the socket does not drop packets.
func minHops(file *os.File, six bool) (int, error) {
	level, option := minHopsOption(six)
	return unix.GetsockoptInt(int(file.Fd()), level, option)
}

func setMinHops(file *os.File, six bool, hops int) error {
	level, option := minHopsOption(six)
	return unix.SetsockoptInt(int(file.Fd()), level, option, hops)
}

func minHopsOption(six bool) (level, option int) {
	if six {
		return unix.IPPROTO_IPV6, unix.IPV6_MINHOPCOUNT
	}
	return unix.IPPROTO_IP, unix.IP_MINTTL
}

// hops sets the hop count of the client's packets.
func (c *client) hops(n int) error {
	level, option := unix.IPPROTO_IP, unix.IP_TTL
	if c.target.Addr().Is6() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
	}
	return unix.SetsockoptInt(int(c.file.Fd()), level, option, n)
}
