package seats

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"relevo/internal/sockdiag"
)

// client is a socket of the group's own that connects to the group's address.
type client struct {
	file           *os.File // non-blocking, and outside of the runtime's poller
	source, target netip.AddrPort
}

// openClient binds a client to a port that no other socket gets while it is open.
func openClient(w where) (c *client, err error) {
	for _, address := range w.reachable() {
		if c, err = bindClient(address, w.address.Port()); err == nil {
			return c, nil
		}
	}
	return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
}

func bindClient(address netip.Addr, port uint16) (*client, error) {
	family := unix.AF_INET
	if address.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, socketAddress(netip.AddrPortFrom(address, 0), address.Is6())); err != nil {
		unix.Close(fd)
		return nil, err
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	c := &client{
		file:   os.NewFile(uintptr(fd), "probe"),
		source: netip.AddrPortFrom(address, sockdiag.AddrPort(name).Port()),
		target: netip.AddrPortFrom(address, port),
	}
	return c, setNonblock(c.file, true)
}

// connect starts the connection and does not wait for it.
func (c *client) connect() error {
	err := unix.Connect(int(c.file.Fd()), socketAddress(c.target, c.target.Addr().Is6()))
	if errors.Is(err, unix.EINPROGRESS) {
		return nil
	}
	return err
}

// look returns the stage as the client's end shows it. Only a program that has accepted
// the connection sends data or closes it.
func (c *client) look() (stage, error) {
	fd := int(c.file.Fd())
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return connecting, err
	}
	if info.State == unix.BPF_TCP_SYN_SENT {
		return connecting, nil
	}
	var one [1]byte
	_, _, err = unix.Recvfrom(fd, one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	switch {
	case err == nil:
		return accepted, nil
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return connected, nil
	}
	return connecting, err
}

// serverSide returns the stage as the kernel shows the server's end: an accepted
// connection has an inode.
func (c *client) serverSide() (stage, error) {
	d, err := openDiag()
	if err != nil {
		return connecting, err
	}
	defer d.close()
	now := connecting
	err = d.ask(exactly(c.target, c.source), 0, func(a diagAnswer) {
		switch a.State {
		case unix.BPF_TCP_LISTEN, stateSynRecv, stateNewSynRecv:
		case unix.BPF_TCP_ESTABLISHED, unix.BPF_TCP_CLOSE_WAIT:
			if now = connected; a.Inode != 0 {
				now = accepted
			}
		default: // the program has closed it already
			now = accepted
		}
	})
	if errors.Is(err, unix.ENOENT) { // the program has closed it; the client's end will show that
		return connected, nil
	}
	return now, err
}

func (c *client) shutdown() { unix.Shutdown(int(c.file.Fd()), unix.SHUT_WR) }

// polled returns the client as a File in the runtime's poller, so that its end can be awaited.
func (c *client) polled() (*os.File, error) {
	fd, err := unix.FcntlInt(c.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "probe"), nil
}

// deferAccept sets for how many seconds the kernel keeps connections without data from
// accept(2), and returns the former value.
func deferAccept(file *os.File, seconds int) (before int) {
	fd := int(file.Fd())
	before, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT)
	if err == nil && before != seconds {
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, seconds)
	}
	return before
}

// refuseWaiting ends the connections that no worker has accepted: their clients may try
// again.
func refuseWaiting(file *os.File) error {
	if err := setNonblock(file, true); err != nil {
		return err
	}
	for {
		fd, _, err := unix.Accept4(int(file.Fd()), unix.SOCK_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED):
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINVAL): // none waits; it does not listen
			return nil
		case err != nil:
			return fmt.Errorf("cannot refuse the connections that wait at a worker's socket: %w", err)
		default:
			unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}) // a reset, not an empty answer
			unix.Close(fd)
		}
	}
}
