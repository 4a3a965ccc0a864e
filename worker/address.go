package worker

import (
	"net"
	"net/netip"
	"path/filepath"
	"strings"
)

// sameAddr reports whether an existing socket has the address that want names on
// network. The spellings of "every address" (":80", "0.0.0.0:80" and "[::]:80")
// are equal. Port 0 equals nothing, because it asks for a new port.
func sameAddr(have net.Addr, network, want string) bool {
	switch have := have.(type) {
	case *net.TCPAddr:
		asked, err := net.ResolveTCPAddr(network, want)
		return strings.HasPrefix(network, "tcp") && strings.Contains(want, ":") && err == nil &&
			sameHostPort(have.AddrPort(), asked.AddrPort())
	case *net.UDPAddr:
		asked, err := net.ResolveUDPAddr(network, want)
		return strings.HasPrefix(network, "udp") && strings.Contains(want, ":") && err == nil &&
			sameHostPort(have.AddrPort(), asked.AddrPort())
	case *net.UnixAddr:
		return strings.HasPrefix(network, "unix") && samePath(have.Name, want)
	}
	return false
}

func sameHostPort(a, b netip.AddrPort) bool {
	if a.Port() != b.Port() || a.Port() == 0 {
		return false
	}
	if everywhere(a.Addr()) || everywhere(b.Addr()) {
		return everywhere(a.Addr()) && everywhere(b.Addr())
	}
	return a.Addr().Unmap() == b.Addr().Unmap()
}

func everywhere(a netip.Addr) bool { return !a.IsValid() || a.Unmap().IsUnspecified() }

// samePath compares two unix socket names; a leading "@" marks an abstract one.
func samePath(have, want string) bool {
	if have == "" || want == "" || have[0] == '@' || want[0] == '@' {
		return have == want && have != ""
	}
	a, errA := filepath.Abs(have)
	b, errB := filepath.Abs(want)
	return errA == nil && errB == nil && a == b
}

// isName reports whether s can only be a listener's name, not an address.
func isName(network, s string) bool {
	return !strings.HasPrefix(network, "unix") && s != "" && !strings.Contains(s, ":")
}
