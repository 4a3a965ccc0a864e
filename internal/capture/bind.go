package capture

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"syscall"
)

// Bind is a bind(2) that a worker's process is stopped in.
type Bind struct {
	PID     int // of the process, in the master's PID namespace
	Address Address
	Socket  Socket
	Maker   Maker // of the file of a Unix socket
	// Asked: no process is stopped in it, but a program has asked for the socket. Without
	// one it gets an error, for no kernel goes on.
	Asked bool
	Index int // tells apart the servers of one program that ask for any port

	fd int // of the program's socket, in its own process
}

// Address is what the program wants to bind.
type Address struct {
	Family int            // AF_INET, AF_INET6 or AF_UNIX
	IP     netip.AddrPort // of the first two
	Path   string         // of AF_UNIX, absolute; "@name" in the abstract namespace, as unix(7) shows it
}

// Socket is the program's own socket as it stands before the bind.
type Socket struct {
	Type        int // SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET
	Protocol    int // IPPROTO_TCP, …; 0 of a Unix socket
	V6Only      bool
	ReusePort   bool
	ReuseAddr   bool
	NonBlocking bool
	Bound       bool     // it has an address already
	Options     []Option // that outlive the bind, with values other than the default
}

// Maker is how the kernel would make the file of a Unix socket that the program binds.
type Maker struct {
	UID, GID int
	Groups   []int
	Mode     fs.FileMode
}

// Option is a socket option whose value is an int.
type Option struct{ Level, Name, Value int }

// Answer is the answer to a bind.
type Answer struct {
	// FD, if not negative, is a socket that takes the place of the program's. It stays the
	// answerer's.
	FD int
	// Errno is the error of bind; 0: it succeeds. Without FD and Errno the kernel performs
	// the program's own bind.
	Errno syscall.Errno
}

// LetThrough is the answer that lets the kernel go on.
func LetThrough() Answer { return Answer{FD: -1} }

func (a Address) String() string {
	if a.Family == syscall.AF_UNIX {
		return "unix:" + a.Path
	}
	return a.IP.String()
}

// Server says whether the bind may be that of a server: a client takes port 0 or does not
// bind at all, and a Unix socket without a name has no address.
func (a Address) Server() bool {
	if a.Family == syscall.AF_UNIX {
		return a.Path != ""
	}
	return a.IP.IsValid() && a.IP.Port() != 0
}

// Abstract says whether the address is a name and no file.
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
		const withoutScope = 24 // RFC 2133's struct, which the kernel takes, too
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
