package listeners

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
	"relevo/internal/procnet"
)

// maxBacklog asks for more than the kernel gives: it cuts listen(2) down to
// net.core.somaxconn itself.
func maxBacklog() int { return 65535 }

func unprivilegedPortStart() int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if n, convErr := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && convErr == nil {
		return n
	}
	return 1024
}

// portHolder names the process that is in the way of a listener, as far as this
// user may see: `nginx (pid 812)`. Empty if it cannot be known.
func portHolder(w config.Listen) (pid int, name string) {
	host, port, _ := net.SplitHostPort(w.Address)
	number, err := strconv.Atoi(port)
	if err != nil {
		return 0, ""
	}
	for _, s := range procnet.Waiting(w.Datagram()) {
		if int(s.Port()) != number || !clash(s.Addr(), host) {
			continue
		}
		switch pid, program := procnet.Holder(s.Inode); pid {
		case 0:
		case os.Getpid():
			return 0, "another listener of this app; give one of the two another address"
		default:
			return pid, fmt.Sprintf("%s (pid %d)", program, pid)
		}
	}
	return 0, ""
}

// hasPort says whether all sockets that are in the way of a TCP listener are this
// Set's. It holds s.mu.
func (s *Set) hasPort(w config.Listen) bool {
	host, port, _ := net.SplitHostPort(w.Address)
	number, err := strconv.Atoi(port)
	if err != nil {
		return false
	}
	ours := map[string]bool{}
	for _, l := range s.all() {
		for _, file := range append(l.seats.files(), l.file) {
			var stat unix.Stat_t
			if unix.Fstat(int(file.Fd()), &stat) == nil {
				ours[strconv.FormatUint(stat.Ino, 10)] = true
			}
		}
	}
	return !slices.ContainsFunc(procnet.Waiting(false), func(other procnet.Socket) bool {
		return int(other.Port()) == number && clash(other.Addr(), host) && !ours[other.Inode]
	})
}

// clash says whether a socket bound to an address is in the way of host.
func clash(bound netip.Addr, host string) bool {
	wanted, err := netip.ParseAddr(host)
	switch {
	case host == "" || bound.IsUnspecified() || wanted.IsUnspecified():
		return true
	case err != nil: // localhost
		return bound.IsLoopback()
	}
	return bound == wanted.Unmap()
}
