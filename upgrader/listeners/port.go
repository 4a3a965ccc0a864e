package listeners

import (
	"errors"
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
	"relevo/internal/sockdiag"
)

// choosePort replaces port 0 by one that the kernel chooses. Without that, a worker's
// shutdown(2) on the socket would give the port back, and listen(2) could not get it
// again. The port is reserved until unreserve is called: a second socket may be bound to it as long
// as neither listens. Where nothing can be reserved the address stays as it is.
func choosePort(w config.Listen) (address string, unreserve func()) {
	host, port, err := net.SplitHostPort(w.Address)
	if err != nil || port != "0" || w.Datagram() {
		return w.Address, func() {}
	}
	number, unreserve, err := reservePort(w.Network, host, 0)
	if err != nil || number == 0 {
		return w.Address, func() {}
	}
	return net.JoinHostPort(host, strconv.Itoa(number)), unreserve
}

// isTaken says whether another socket listens where w would. A socket with
// SO_REUSEPORT would be bound beside one of the same user's, and share its clients.
func isTaken(w config.Listen) bool {
	host, port, err := net.SplitHostPort(w.Address)
	number, portErr := strconv.Atoi(port)
	if err != nil || portErr != nil || number == 0 {
		return false
	}
	_, unreserve, err := reservePort(w.Network, host, number)
	if err == nil {
		unreserve()
	}
	return errors.Is(err, unix.EADDRINUSE)
}

// reservePort binds a socket as net.Listen would bind the one to come.
func reservePort(network config.Network, host string, wanted int) (port int, unreserve func(), err error) {
	if host == "localhost" {
		host = "127.0.0.1"
		if network == config.TCP6 {
			host = "::1"
		}
	}
	ip, _ := netip.ParseAddr(host)
	if ip.Zone() != "" {
		return 0, nil, errors.ErrUnsupported
	}
	family := unix.AF_INET6
	if ip.Is4() || network == config.TCP4 {
		family = unix.AF_INET
	}
	fd, err := reserve(family, network == config.TCP6, ip, wanted)
	if errors.Is(err, unix.EAFNOSUPPORT) && host == "" && network == config.TCP {
		fd, err = reserve(unix.AF_INET, false, ip, wanted) // no IPv6 here
	}
	if err != nil {
		return 0, nil, err
	}
	return boundPort(fd), func() { unix.Close(fd) }, nil
}

func reserve(family int, only6 bool, ip netip.Addr, port int) (fd int, err error) {
	if fd, err = unix.Socket(family, unix.SOCK_STREAM, 0); err != nil {
		return 0, err
	}
	unix.CloseOnExec(fd)
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err == nil && family == unix.AF_INET6 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, map[bool]int{true: 1}[only6])
	}
	if err == nil && family == unix.AF_INET6 {
		to := unix.SockaddrInet6{Port: port}
		if ip.IsValid() {
			to.Addr = ip.As16()
		}
		err = unix.Bind(fd, &to)
	} else if err == nil {
		to := unix.SockaddrInet4{Port: port}
		if ip.IsValid() {
			to.Addr = ip.As4()
		}
		err = unix.Bind(fd, &to)
	}
	if err != nil {
		unix.Close(fd)
	}
	return fd, err
}

func boundPort(fd int) int {
	name, _ := unix.Getsockname(fd)
	return int(sockdiag.AddrPort(name).Port())
}
