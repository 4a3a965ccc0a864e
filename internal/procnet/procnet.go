// Package procnet tells which sockets wait on which addresses, and which process has them
// (sock_diag(7), proc_net(5), proc_pid_fd(5)). Where there is no /proc it finds nothing.
package procnet

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"relevo/internal/procfs"
	"relevo/internal/sockdiag"
)

// Socket waits for connections or datagrams.
type Socket struct {
	netip.AddrPort
	Inode string
}

// Waiting returns the TCP sockets that listen, or the UDP sockets that are bound.
func Waiting(datagram bool) []Socket {
	name := "udp"
	if !datagram {
		if listening, err := sockdiag.Listening(); err == nil {
			return socketsOf(listening)
		}
		name = "tcp" // with all connections: many thousands take a second, and callers wait
	}
	return append(read("/proc/net/"+name, datagram), read("/proc/net/"+name+"6", datagram)...)
}

func socketsOf(listening []sockdiag.Listener) (sockets []Socket) {
	for _, l := range listening {
		address := netip.AddrPortFrom(l.Address.Addr().Unmap(), l.Address.Port())
		sockets = append(sockets, Socket{address, strconv.FormatUint(uint64(l.Inode), 10)})
	}
	return sockets
}

// read reads a table: the second field is the local address, state 0A is LISTEN,
// the tenth field is the inode.
func read(table string, datagram bool) (sockets []Socket) {
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
		if address, ok := parseAddress(f[1]); ok {
			sockets = append(sockets, Socket{address, f[9]})
		}
	}
	return sockets
}

// parseAddress reads 0100007F:1F90: the address in hexadecimal words of 32 bits,
// each printed as the number that it is in this machine's byte order.
func parseAddress(text string) (address netip.AddrPort, ok bool) {
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

// Holder finds a process that has a socket open, as far as this user may see; pid
// is 0 where none is found. Of several it is the ancestor of the others: they have
// inherited the socket.
func Holder(inode string) (pid int, name string) {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	holders := map[int]bool{}
	for _, link := range links {
		if target, _ := os.Readlink(link); target == "socket:["+inode+"]" {
			holder, _ := strconv.Atoi(strings.Split(link, "/")[2])
			holders[holder] = true
		}
	}
	for _, holder := range slices.Sorted(maps.Keys(holders)) {
		if !holders[parentOf(holder)] {
			return holder, procfs.Of(holder).Name()
		}
	}
	return 0, ""
}

// parentOf returns 0 of a process that is gone.
func parentOf(pid int) int {
	stat, err := procfs.Of(pid).Stat()
	if err != nil {
		return 0
	}
	return stat.Parent()
}

// Inodes returns those of the sockets that a process has open.
func Inodes(pid int) map[string]bool {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd/"
	entries, _ := os.ReadDir(dir)
	inodes := map[string]bool{}
	for _, entry := range entries {
		target, _ := os.Readlink(dir + entry.Name())
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			inodes[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return inodes
}
