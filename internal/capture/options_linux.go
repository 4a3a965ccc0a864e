package capture

import (
	"slices"

	"golang.org/x/sys/unix"
)

// common are the options of any socket that the socket in its place should also have
// (socket(7)).
var common = []Option{
	{unix.SOL_SOCKET, unix.SO_RCVBUF, 0}, {unix.SOL_SOCKET, unix.SO_SNDBUF, 0}, {unix.SOL_SOCKET, unix.SO_PRIORITY, 0},
	{unix.SOL_SOCKET, unix.SO_MARK, 0}, {unix.IPPROTO_IP, unix.IP_TOS, 0}, {unix.IPPROTO_IPV6, unix.IPV6_TCLASS, 0},
}

// ofTCP are the options that a connection gets from its listener, or that decide how it is
// accepted (tcp(7), ip(7), ipv6(7)).
var ofTCP = []Option{
	{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0}, {unix.SOL_SOCKET, unix.SO_OOBINLINE, 0},
	{unix.IPPROTO_TCP, unix.TCP_NODELAY, 0}, {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 0},
	{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 0},
	{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 0}, {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 0},
	{unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 0},
	{unix.IPPROTO_TCP, unix.TCP_FASTOPEN, 0}, {unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, 0},
}

// ofUDP are the options that decide what is received with a packet, and how packets are sent
// (udp(7), ip(7), ipv6(7)).
var ofUDP = []Option{
	{unix.SOL_SOCKET, unix.SO_BROADCAST, 0}, {unix.SOL_SOCKET, unix.SO_TIMESTAMP, 0},
	{unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 0},
	{unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 0}, {unix.IPPROTO_UDP, unix.UDP_GRO, 0}, {unix.IPPROTO_UDP, unix.UDP_SEGMENT, 0},
	{unix.IPPROTO_IP, unix.IP_PKTINFO, 0}, {unix.IPPROTO_IP, unix.IP_RECVTOS, 0}, {unix.IPPROTO_IP, unix.IP_RECVTTL, 0},
	{unix.IPPROTO_IP, unix.IP_TTL, 0}, {unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, 0}, {unix.IPPROTO_IP, unix.IP_RECVERR, 0},
	{unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 0}, {unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 0},
	{unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 0}, {unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, 0},
	{unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, 0}, {unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 0},
}

// ofUnix are the options of unix(7).
var ofUnix = []Option{{unix.SOL_SOCKET, unix.SO_PASSCRED, 0}}

// lasting returns the options that matter after the bind.
func lasting(family, kind int) []Option {
	switch {
	case family == unix.AF_UNIX:
		return slices.Concat(common[:2], ofUnix)
	case kind == unix.SOCK_DGRAM:
		return slices.Concat(common, ofUDP)
	}
	return slices.Concat(common, ofTCP)
}
