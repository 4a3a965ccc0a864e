package seats

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"relevo/internal/sockdiag"
)

// maxBacklog is more than the kernel allows: it lowers the length to net.core.somaxconn.
const maxBacklog = 65535

// examine returns where a socket listens, and an error if it cannot be the common socket of a group.
func examine(common *os.File) (where, error) {
	fd := int(common.Fd())
	name, err := unix.Getsockname(fd)
	if err != nil {
		return where{}, fmt.Errorf("cannot look at the common socket: %w", err)
	}
	w := where{address: sockdiag.AddrPort(name)}
	switch name.(type) {
	case *unix.SockaddrInet4:
	case *unix.SockaddrInet6:
		w.six = true
		only, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		if err != nil {
			return w, fmt.Errorf("cannot look at the common socket: %w", err)
		}
		w.onlySix = only != 0
	default:
		return w, fmt.Errorf("cannot give workers sockets of their own: %w", ErrNotTCP)
	}
	if w.device, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX); err != nil {
		w.device = 0 // Linux 5.1 and later can tell
	}
	return w, suitable(fd, w.address)
}

func suitable(fd int, address netip.AddrPort) error {
	protocol, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err == nil && protocol != unix.IPPROTO_TCP {
		return fmt.Errorf("cannot give workers sockets of their own at %s: %w", address, ErrNotTCP)
	}
	reuse, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT)
	if err != nil || reuse == 0 {
		return fmt.Errorf("cannot give workers sockets of their own at %s: %w", address, ErrNoReusePort)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err == nil && stat.Uid != uint32(os.Geteuid()) {
		return fmt.Errorf("cannot give workers sockets of their own at %s: %w", address, ErrOtherUser)
	}
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil || listening == 0 {
		return fmt.Errorf("internal error: the common socket of %s does not listen", address)
	}
	return nil
}

// openSeat binds a socket beside the common one. It does not listen yet. It is blocking,
// so its File is not in the runtime's poller, and connections do not wake the master.
func openSeat(w where, name string) (*os.File, error) {
	family := unix.AF_INET
	if w.six {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return nil, err
	}
	if err := bindSeat(fd, w); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

func bindSeat(fd int, w where) error {
	if err := limitFamily(fd, w); err != nil {
		return err
	}
	if w.device != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, w.device); err != nil {
			return err
		}
	}
	// The kernel shares a port by SO_REUSEPORT between sockets that had it before bind.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return err
	}
	return unix.Bind(fd, socketAddress(w.address, w.six))
}

// limitFamily decides whether an IPv6 socket has IPv4 clients, too.
func limitFamily(fd int, w where) error {
	if !w.six {
		return nil
	}
	var only int
	if w.onlySix {
		only = 1
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only)
}

func socketAddress(a netip.AddrPort, six bool) unix.Sockaddr {
	if !six {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().Unmap().As4()}
	}
	to := &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	if zone, err := strconv.Atoi(a.Addr().Zone()); err == nil {
		to.ZoneId = uint32(zone)
	}
	return to
}

func setNonblock(file *os.File, nonblock bool) error {
	return unix.SetNonblock(int(file.Fd()), nonblock)
}

func listen(file *os.File, backlog int) error {
	if backlog <= 0 {
		backlog = maxBacklog
	}
	return unix.Listen(int(file.Fd()), backlog)
}

// queueLength is how many connections wait to be accepted (tcpi_unacked of a listening
// socket).
func queueLength(file *os.File) int {
	info, err := unix.GetsockoptTCPInfo(int(file.Fd()), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil || info.State != unix.BPF_TCP_LISTEN {
		return 0
	}
	return int(info.Unacked)
}

func listening(file *os.File) bool {
	yes, err := unix.GetsockoptInt(int(file.Fd()), unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	return err == nil && yes != 0
}

// queueLimit is how many connections may wait (tcpi_sacked of a listening socket).
func queueLimit(file *os.File) int {
	info, err := unix.GetsockoptTCPInfo(int(file.Fd()), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0
	}
	return int(info.Sacked)
}

// share sets SO_REUSEPORT, without which the socket would leave the group: its program may have
// reset it.
func share(file *os.File) error {
	return unix.SetsockoptInt(int(file.Fd()), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
}

// rebind binds a socket that was shut down to its port again. Such a socket loses a port
// that the kernel chose, and getsockname(2) does not show it. A socket that still has its
// port refuses the bind.
func rebind(file *os.File, w where) error {
	err := unix.Bind(int(file.Fd()), socketAddress(w.address, w.six))
	if errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}

// replace makes old's descriptor refer to the fresh socket, with old's blocking mode.
func replace(old, fresh *os.File) error {
	flags, err := unix.FcntlInt(old.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	if err := setNonblock(fresh, flags&unix.O_NONBLOCK != 0); err != nil {
		return err
	}
	return unix.Dup3(int(fresh.Fd()), int(old.Fd()), unix.O_CLOEXEC)
}

// marked says whether a socket that does not listen has the mark that a second shutdown(2)
// leaves (sk_shutdown; inet_shutdown in net/ipv4/af_inet.c): with it, every connection
// would read an end-of-file.
func marked(file *os.File) bool {
	poll := []unix.PollFd{{Fd: int32(file.Fd()), Events: unix.POLLRDHUP}}
	_, err := unix.Poll(poll, 0)
	return err != nil || poll[0].Revents&unix.POLLRDHUP != 0
}

// shutdownSeat makes the socket stop listening, which also removes the mark.
func shutdownSeat(file *os.File) error { return unix.Shutdown(int(file.Fd()), unix.SHUT_RDWR) }

// closeSeat takes the socket out of the group even if an escaped process still has a copy
// of it.
func closeSeat(file *os.File) error {
	err := unix.Shutdown(int(file.Fd()), unix.SHUT_RDWR)
	if errors.Is(err, unix.ENOTCONN) {
		err = nil
	}
	return errors.Join(err, file.Close())
}

// attach attaches a steering program to the whole group of a socket, in one step.
func attach(file *os.File, program []bpf.RawInstruction) error {
	filter := make([]unix.SockFilter, len(program))
	for i, in := range program {
		filter[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return unix.SetsockoptSockFprog(int(file.Fd()), unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF,
		&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
}

// detach removes the program: the kernel chooses.
func detach(file *os.File) error {
	err := unix.SetsockoptInt(int(file.Fd()), unix.SOL_SOCKET, unix.SO_DETACH_REUSEPORT_BPF, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

func setOption(file *os.File, o Option) error {
	return unix.SetsockoptString(int(file.Fd()), o.Level, o.Name, string(o.Value))
}

// getOption reads an option, as the value that setOption would have to write to restore
// it.
func getOption(file *os.File, like Option) (Option, bool) {
	value := make([]byte, max(len(like.Value), 16))
	size := uint32(len(value))
	_, _, err := unix.Syscall6(unix.SYS_GETSOCKOPT, file.Fd(), uintptr(like.Level), uintptr(like.Name),
		uintptr(unsafe.Pointer(&value[0])), uintptr(unsafe.Pointer(&size)), 0)
	if err != 0 || int(size) > len(value) {
		return Option{}, false
	}
	like.Value = value[:size]
	return halved(like), true
}

// halved returns the size of a buffer as it was set: the kernel reports twice that.
func halved(o Option) Option {
	if o.sizesBuffer() && len(o.Value) == 4 {
		binary.NativeEndian.PutUint32(o.Value, binary.NativeEndian.Uint32(o.Value)/2)
	}
	return o
}

// follow returns the options that change together with this one. Once a program has set the
// size of a buffer, the kernel no longer adapts it, unless SO_BUF_LOCK is reset (Linux 5.15).
func follow(o Option) []Option {
	if o.sizesBuffer() {
		return []Option{{Level: unix.SOL_SOCKET, Name: unix.SO_BUF_LOCK, Value: make([]byte, 4)}}
	}
	return nil
}

func (o Option) sizesBuffer() bool {
	return o.Level == unix.SOL_SOCKET && (o.Name == unix.SO_RCVBUF || o.Name == unix.SO_SNDBUF)
}
