package upgrader

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"relevo/config"
)

// maxBacklog asks for more than the kernel gives: it cuts listen(2) down to
// net.core.somaxconn itself.
func maxBacklog() int { return 65535 }

func unprivilegedPortStart() int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if n, convErr := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && convErr == nil {
		return n
	}
	return 1024
}

// portHolder names the process that is in the way of a listener, as far as this
// user may see: `nginx (pid 812)`. Empty if it cannot be known.
func portHolder(w config.Listen) string {
	host, port, _ := net.SplitHostPort(w.Address)
	number, err := strconv.Atoi(port)
	if err != nil {
		return ""
	}
	tables := []string{"/proc/net/tcp", "/proc/net/tcp6"}
	if w.Datagram() {
		tables = []string{"/proc/net/udp", "/proc/net/udp6"}
	}
	for _, table := range tables {
		for _, s := range boundSockets(table, w.Datagram()) {
			if int(s.Port()) != number || !clash(s.Addr(), host) {
				continue
			}
			if who := socketHolder(s.inode); who != "" {
				return who
			}
		}
	}
	return ""
}

// boundSocket is a socket that waits for connections or datagrams.
type boundSocket struct {
	netip.AddrPort
	inode string
}

// boundSockets reads proc_net(5): the second field is the local address, state 0A
// is LISTEN, the tenth field is the inode.
func boundSockets(table string, datagram bool) (sockets []boundSocket) {
	file, err := os.Open(table)
	if err != nil {
		return nil
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 10 || !datagram && f[3] != "0A" {
			continue
		}
		if address, ok := procAddress(f[1]); ok {
			sockets = append(sockets, boundSocket{address, f[9]})
		}
	}
	return sockets
}

// procAddress reads 0100007F:1F90: the address in hexadecimal words of 32 bits,
// each printed as the number that it is in this machine's byte order.
func procAddress(text string) (address netip.AddrPort, ok bool) {
	host, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	number, portErr := strconv.ParseUint(port, 16, 16)
	if err != nil || portErr != nil || len(raw)%4 != 0 {
		return address, false
	}
	for word := range slices.Chunk(raw, 4) {
		binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
	}
	ip, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(ip.Unmap(), uint16(number)), ok
}

// clash says whether a socket bound to an address is in the way of host.
func clash(bound netip.Addr, host string) bool {
	wanted, err := netip.ParseAddr(host)
	switch {
	case host == "" || bound.IsUnspecified() || wanted.IsUnspecified():
		return true
	case err != nil: // localhost
		return bound.IsLoopback()
	}
	return bound == wanted.Unmap()
}

func socketHolder(inode string) string {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if target, _ := os.Readlink(link); target == "socket:["+inode+"]" {
			pid := strings.Split(link, "/")[2]
			if pid == strconv.Itoa(os.Getpid()) {
				return "another listener of this app; give one of the two another address"
			}
			name, _ := os.ReadFile("/proc/" + pid + "/comm")
			return fmt.Sprintf("%s (pid %s)", strings.TrimSpace(string(name)), pid)
		}
	}
	return ""
}
