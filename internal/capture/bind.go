package capture

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"syscall"
)

// Bind is a call of bind(2) in which a worker's process is stopped.
type Bind struct {
	PID     int // of the process, in the master's pid namespace
	Address Address
	Socket  Socket
	Maker   Maker // for the file of a Unix socket
	// Asked says that no process is stopped: a program has asked for the socket by a
	// message. The answer has to be a socket or an error, because the kernel has no bind
	// to perform.
	Asked bool
	Index int // tells apart the servers of one program that ask for any port

	fd int // of the program's socket, in its own process
}

// Address is what the program wants to bind.
type Address struct {
	Family int            // AF_INET, AF_INET6 or AF_UNIX
	IP     netip.AddrPort // for AF_INET and AF_INET6
	Path   string         // for AF_UNIX, absolute; "@name" in the abstract namespace, as in unix(7)
}

// Socket is the state of the program's own socket before the bind.
type Socket struct {
	Type        int // SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET
	Protocol    int // IPPROTO_TCP, …; 0 for a Unix socket
	V6Only      bool
	ReusePort   bool
	ReuseAddr   bool
	NonBlocking bool
	Bound       bool     // it has an address already
	Options     []Option // those that matter after the bind and differ from the default
}

// Maker says with which owner and mode the kernel would make the file of the program's Unix
// socket.
type Maker struct {
	UID, GID int
	Groups   []int
	Mode     fs.FileMode
}

// Option is a socket option whose value is an int.
type Option struct{ Level, Name, Value int }

// Answer is the answer to a bind.
type Answer struct {
	// FD, if not negative, is a socket that replaces the program's. It is copied, and
	// belongs to the function that answers.
	FD int
	// Errno is the error of the bind, 0 for success. Without FD and Errno the kernel
	// performs the program's own bind.
	Errno syscall.Errno
}

// LetThrough is the answer after which the kernel performs the program's own bind.
func LetThrough() Answer { return Answer{FD: -1} }

func (a Address) String() string {
	if a.Family == syscall.AF_UNIX {
		return "unix:" + a.Path
	}
	return a.IP.String()
}

// Server says whether a server may bind this address. Clients use port 0 or do not bind at
// all, and a Unix socket without a name cannot be connected to.
func (a Address) Server() bool {
	if a.Family == syscall.AF_UNIX {
		return a.Path != ""
	}
	return a.IP.IsValid() && a.IP.Port() != 0
}

// Abstract says whether the address is in the abstract namespace, and so has no file.
func (a Address) Abstract() bool {
	return a.Family == syscall.AF_UNIX && strings.HasPrefix(a.Path, "@")
}

// parseAddress reads a struct sockaddr (sockaddr(3type), ip(7), ipv6(7), unix(7)).
func parseAddress(raw []byte) (Address, error) {
	if len(raw) < 2 {
		return Address{}, fmt.Errorf("cannot read an address of %d bytes", len(raw))
	}
	family := int(binary.NativeEndian.Uint16(raw))
	switch family {
	case syscall.AF_INET:
		if len(raw) < syscall.SizeofSockaddrInet4 {
			return Address{}, fmt.Errorf("cannot read an IPv4 address of %d bytes", len(raw))
		}
		ip := netip.AddrFrom4([4]byte(raw[4:8]))
		return Address{Family: family, IP: netip.AddrPortFrom(ip, binary.BigEndian.Uint16(raw[2:]))}, nil
	case syscall.AF_INET6:
		const withoutScope = 24 // the older struct of RFC 2133, which the kernel also accepts
		if len(raw) < withoutScope {
			return Address{}, fmt.Errorf("cannot read an IPv6 address of %d bytes", len(raw))
		}
		ip := netip.AddrFrom16([16]byte(raw[8:24]))
		if len(raw) >= syscall.SizeofSockaddrInet6 {
			if zone := binary.NativeEndian.Uint32(raw[24:]); zone != 0 && ip.IsLinkLocalUnicast() {
				ip = ip.WithZone(fmt.Sprint(zone))
			}
		}
		return Address{Family: family, IP: netip.AddrPortFrom(ip, binary.BigEndian.Uint16(raw[2:]))}, nil
	case syscall.AF_UNIX:
		return Address{Family: family, Path: unixPath(raw[2:])}, nil
	}
	return Address{}, fmt.Errorf("cannot read an address of family %d", family)
}

func unixPath(raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	if raw[0] == 0 { // abstract: all bytes count
		return "@" + string(raw[1:])
	}
	path, _, _ := strings.Cut(string(raw), "\x00")
	return path
}
