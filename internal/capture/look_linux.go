package capture

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxAddress is the most that bind takes (sizeof(struct sockaddr_storage)).
const maxAddress = 128

// look reads what a stopped thread wants to bind, and the state of its socket.
func look(thread, fd int, address, length uint64) (b Bind, closeOnExec bool, err error) {
	if length > maxAddress {
		return b, false, unix.EINVAL
	}
	raw, err := readMemory(thread, address, int(length))
	if err != nil {
		return b, false, fmt.Errorf("cannot read the address of a bind: %w", err)
	}
	if b.Address, err = parseAddress(raw); err != nil {
		return b, false, err
	}
	if b.PID, err = processOf(thread); err != nil {
		return b, false, err
	}
	if closeOnExec, err = isCloseOnExec(thread, fd); err != nil {
		return b, false, err
	}
	copied, err := copyOf(b.PID, fd)
	if err != nil {
		return b, false, fmt.Errorf("cannot copy a socket of process %d: %w", b.PID, err)
	}
	defer unix.Close(copied)
	b.Socket, err = inspect(copied)
	return b, closeOnExec, err
}

func readMemory(pid int, address uint64, length int) ([]byte, error) {
	if length <= 0 {
		return nil, nil
	}
	buffer := make([]byte, length)
	n, err := unix.ProcessVMReadv(pid, []unix.Iovec{{Base: &buffer[0], Len: uint64(length)}},
		[]unix.RemoteIovec{{Base: uintptr(address), Len: length}}, 0)
	if err != nil {
		return nil, err
	}
	return buffer[:n], nil
}

// processOf is the process of a thread: pidfd_open(2) takes no other.
func processOf(thread int) (int, error) {
	word, err := statusWord(thread, "Tgid:")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(word)
}

// statusWord reads a value of /proc/PID/status.
func statusWord(pid int, name string) (string, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, name); found {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("cannot find %s in the status of process %d", name, pid)
}

// isCloseOnExec reads the flags of a descriptor (proc_pid_fdinfo(5)), for they
// belong to the descriptor and not to a copy of it.
func isCloseOnExec(pid, fd int) (bool, error) {
	info, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", pid, fd))
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(info)) {
		if value, found := strings.CutPrefix(line, "flags:"); found {
			flags, err := strconv.ParseInt(strings.TrimSpace(value), 8, 64)
			return flags&unix.O_CLOEXEC != 0, err
		}
	}
	return false, fmt.Errorf("cannot find the flags of descriptor %d of process %d", fd, pid)
}

func copyOf(pid, fd int) (int, error) {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(pidfd)
	return unix.PidfdGetfd(pidfd, fd, 0)
}

// inspect reads what the socket that takes its place is to have, too.
func inspect(fd int) (s Socket, err error) {
	if s.Type, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil {
		return s, fmt.Errorf("cannot look at a socket: %w", err)
	}
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return s, fmt.Errorf("cannot look at a socket: %w", err)
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return s, fmt.Errorf("cannot look at a socket: %w", err)
	}
	s.NonBlocking = flags&unix.O_NONBLOCK != 0
	if value, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT); err == nil {
		s.ReusePort = value != 0
	}
	if family == unix.AF_INET6 {
		value, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		s.V6Only = err == nil && value != 0
	}
	s.Options, err = optionsOf(fd, family, s.Type)
	return s, err
}

// inherited are the options that a connection takes over from its listener
// (socket(7), tcp(7), ip(7), ipv6(7)), or that decide how it is accepted.
var inherited = []Option{
	{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0}, {unix.SOL_SOCKET, unix.SO_RCVBUF, 0}, {unix.SOL_SOCKET, unix.SO_SNDBUF, 0},
	{unix.SOL_SOCKET, unix.SO_PRIORITY, 0}, {unix.SOL_SOCKET, unix.SO_MARK, 0}, {unix.SOL_SOCKET, unix.SO_OOBINLINE, 0},
	{unix.IPPROTO_TCP, unix.TCP_NODELAY, 0}, {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 0}, {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 0},
	{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 0}, {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 0}, {unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 0},
	{unix.IPPROTO_TCP, unix.TCP_FASTOPEN, 0}, {unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, 0},
	{unix.IPPROTO_IP, unix.IP_TOS, 0}, {unix.IPPROTO_IPV6, unix.IPV6_TCLASS, 0},
}

// optionsOf are the inherited options of a socket that are not as in a new one.
func optionsOf(fd, family, kind int) ([]Option, error) {
	fresh, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot look at a socket: %w", err)
	}
	defer unix.Close(fresh)
	var changed []Option
	for _, o := range inherited {
		value, err := unix.GetsockoptInt(fd, o.Level, o.Name)
		usual, usualErr := unix.GetsockoptInt(fresh, o.Level, o.Name)
		if err != nil || usualErr != nil || value == usual {
			continue // MPTCP, for one, knows some of them only
		}
		if o.Level == unix.SOL_SOCKET && (o.Name == unix.SO_RCVBUF || o.Name == unix.SO_SNDBUF) {
			value /= 2 // the kernel doubles what it is told (socket(7))
		}
		changed = append(changed, Option{o.Level, o.Name, value})
	}
	return changed, nil
}

// MayBind says whether a process may bind a TCP port by itself: those below
// net.ipv4.ip_unprivileged_port_start take CAP_NET_BIND_SERVICE. The master, which may
// have it, must not open for a program what the program may not open.
func MayBind(pid int, port uint16) bool {
	const netBindService = 10
	if int(port) >= unprivilegedPorts() {
		return true
	}
	effective, err := statusWord(pid, "CapEff:")
	if err != nil {
		return false
	}
	capabilities, err := strconv.ParseUint(effective, 16, 64)
	return err == nil && capabilities&(1<<netBindService) != 0
}

func unprivilegedPorts() int {
	const usual = 1024
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		return usual
	}
	if start, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
		return start
	}
	return usual
}
