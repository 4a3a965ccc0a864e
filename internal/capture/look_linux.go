package capture

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"relevo/internal/procfs"

	"golang.org/x/sys/unix"
)

// maxAddress is the largest address that bind accepts (sizeof(struct sockaddr_storage)).
const maxAddress = 128

// look reads the address that a stopped thread wants to bind, and the state of its socket.
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
	if err := b.Address.place(thread); err != nil {
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
	b.fd = fd
	if b.Socket, err = inspect(copied); err == nil && b.Address.Family == unix.AF_UNIX {
		b.Maker, err = makerOfSocket(thread, copied)
	}
	return b, closeOnExec, err
}

func readMemory(pid int, address uint64, length int) ([]byte, error) {
	if length <= 0 {
		return nil, nil
	}
	buffer := make([]byte, length)
	into := unix.Iovec{Base: &buffer[0]}
	into.SetLen(length) // its type depends on the processor
	n, err := unix.ProcessVMReadv(pid, []unix.Iovec{into},
		[]unix.RemoteIovec{{Base: uintptr(address), Len: length}}, 0)
	if err != nil {
		return nil, err
	}
	return buffer[:n], nil
}

// processOf returns the process of a thread, because pidfd_open(2) takes only processes.
func processOf(thread int) (int, error) {
	word, err := procfs.Of(thread).Status("Tgid")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(word)
}

// isCloseOnExec reads the flags of another process's descriptor (proc_pid_fdinfo(5)). A copy
// of the descriptor does not have them.
func isCloseOnExec(pid, fd int) (bool, error) {
	info, err := procfs.Read(fmt.Sprintf("/proc/%d/fdinfo/%d", pid, fd))
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

// SharePort sets SO_REUSEPORT on the program's own socket, so that its port can be shared.
// It is for a bind in which a process is stopped, before the answer LetThrough.
func (b Bind) SharePort() error {
	copied, err := copyOf(b.PID, b.fd)
	if err == nil {
		err = unix.SetsockoptInt(copied, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		unix.Close(copied)
	}
	if err != nil {
		return fmt.Errorf("cannot share the port of %s: %w", b.Address, err)
	}
	return nil
}

// inspect reads the state of a socket that the socket in its place should have as well.
func inspect(fd int) (s Socket, err error) {
	if s.Type, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil {
		return s, fmt.Errorf("cannot look at a socket: %w", err)
	}
	if s.Protocol, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL); err != nil {
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
	s.ReusePort = isSet(fd, unix.SO_REUSEPORT)
	s.ReuseAddr = isSet(fd, unix.SO_REUSEADDR)
	s.Bound = isBound(fd)
	if family == unix.AF_INET6 {
		value, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		s.V6Only = err == nil && value != 0
	}
	s.Options, err = optionsOf(fd, family, s.Type)
	return s, err
}

// optionsOf returns the lasting options of a socket that differ from those of a new one.
func optionsOf(fd, family, kind int) ([]Option, error) {
	fresh, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot look at a socket: %w", err)
	}
	defer unix.Close(fresh)
	var changed []Option
	for _, o := range lasting(family, kind) {
		value, err := unix.GetsockoptInt(fd, o.Level, o.Name)
		usual, usualErr := unix.GetsockoptInt(fresh, o.Level, o.Name)
		if err != nil || usualErr != nil || value == usual {
			continue // some protocols, such as MPTCP, do not know all of them
		}
		if o.Level == unix.SOL_SOCKET && (o.Name == unix.SO_RCVBUF || o.Name == unix.SO_SNDBUF) {
			value /= 2 // the kernel doubles the value that is set (socket(7))
		}
		changed = append(changed, Option{o.Level, o.Name, value})
	}
	return changed, nil
}

func isSet(fd, option int) bool {
	value, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
	return err == nil && value != 0
}

// isBound says whether a socket has an address: then the kernel refuses a second bind.
func isBound(fd int) bool {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return false
	}
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		return name.Port != 0
	case *unix.SockaddrInet6:
		return name.Port != 0
	case *unix.SockaddrUnix:
		return name.Name != "" && name.Name != "@" // package unix writes "@" if there is no name
	}
	return false
}

// MayBind says whether a process may bind a TCP port by itself; port 0 stands for any. Ports
// below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE. The master may have
// that capability, and must not bind a port for a program that may not.
func MayBind(pid int, port uint16) bool {
	const netBindService = 10
	if port == 0 || int(port) >= unprivilegedPorts() {
		return true
	}
	effective, err := procfs.Of(pid).Status("CapEff")
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
