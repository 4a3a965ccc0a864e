package prove

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"relevo/internal/procfs"
)

// allStopped tells whether every thread of a process is stopped or dead: the
// state of the process alone is that of its first thread.
func allStopped(pid int) (bool, error) {
	threads := procfs.Of(pid).Threads()
	if len(threads) == 0 {
		return false, fmt.Errorf("process %d is gone", pid)
	}
	for _, thread := range threads {
		stat, err := thread.Stat()
		if unreadable := new(fs.PathError); errors.As(err, &unreadable) {
			continue // the thread has ended
		}
		if err != nil || !stat.Stopped() {
			return false, err
		}
	}
	return true, nil
}

// socketInodes adds the numbers of the sockets that a process holds.
func socketInodes(pid int, into map[uint64]struct{}) error {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		link, err := os.Readlink(dir + "/" + name)
		if errors.Is(err, fs.ErrPermission) {
			return err
		}
		number, ok := strings.CutPrefix(link, "socket:[")
		if !ok {
			continue
		}
		if inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64); err == nil {
			into[inode] = struct{}{}
		}
	}
	return nil
}

// procTCP adds the far ends of a process's TCP sockets as /proc tells of them,
// see proc_net_tcp.txt of the kernel's documentation.
func procTCP(pid int, inodes map[uint64]struct{}, into map[peer]struct{}) error {
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if errors.Is(err, fs.ErrNotExist) && table == "tcp6" {
			continue // a kernel without IPv6
		}
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			const remote, inode = 2, 9
			if len(f) <= inode {
				continue
			}
			number, err := strconv.ParseUint(f[inode], 10, 64)
			if _, ours := inodes[number]; err != nil || !ours {
				continue
			}
			if addr, ok := parseProcAddr(f[remote]); ok {
				into[peer{addr: addr}] = struct{}{}
			}
		}
	}
	return nil
}

// parseProcAddr reads "0100007F:1F90": words of four bytes in the machine's
// order, then the port.
func parseProcAddr(s string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(s, ":")
	b, err1 := hex.DecodeString(host)
	p, err2 := strconv.ParseUint(port, 16, 16)
	if err1 != nil || err2 != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		nativeToNetwork(b[i : i+4])
	}
	ip, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(ip.Unmap(), uint16(p)), ok
}
