package upgrader

import (
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"

	"relevo/config"
)

// choosePort replaces port 0 by one that the kernel gives, for a port that was
// not asked for by its number goes when somebody calls shutdown(2) on the socket,
// and listen(2) cannot bring it back. The port is reserved until release: a
// second socket may be bound to it as long as neither listens. Where nothing can
// be reserved the address stays as it is.
func choosePort(w config.Listen) (address string, release func()) {
	host, port, err := net.SplitHostPort(w.Address)
	if err != nil || port != "0" || w.Datagram() {
		return w.Address, func() {}
	}
	number, release := reservePort(w.Network, host)
	if number == 0 {
		return w.Address, func() {}
	}
	return net.JoinHostPort(host, strconv.Itoa(number)), release
}

// reservePort binds a socket as net.Listen would bind the one to come.
func reservePort(network config.Network, host string) (port int, release func()) {
	if host == "localhost" {
		host = "127.0.0.1"
		if network == config.TCP6 {
			host = "::1"
		}
	}
	ip, _ := netip.ParseAddr(host)
	if ip.Zone() != "" {
		return 0, nil
	}
	family := unix.AF_INET6
	if ip.Is4() || network == config.TCP4 {
		family = unix.AF_INET
	}
	fd, err := reserve(family, network == config.TCP6, ip)
	if err != nil && host == "" && network == config.TCP {
		fd, err = reserve(unix.AF_INET, false, ip) // no IPv6 here
	}
	if err != nil {
		return 0, nil
	}
	return boundPort(fd), func() { unix.Close(fd) }
}

func reserve(family int, only6 bool, ip netip.Addr) (fd int, err error) {
	if fd, err = unix.Socket(family, unix.SOCK_STREAM, 0); err != nil {
		return 0, err
	}
	unix.CloseOnExec(fd)
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err == nil && family == unix.AF_INET6 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, map[bool]int{true: 1}[only6])
	}
	if err == nil && family == unix.AF_INET6 {
		var to unix.SockaddrInet6
		if ip.IsValid() {
			to.Addr = ip.As16()
		}
		err = unix.Bind(fd, &to)
	} else if err == nil {
		var to unix.SockaddrInet4
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
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		return name.Port
	case *unix.SockaddrInet6:
		return name.Port
	}
	return 0
}
