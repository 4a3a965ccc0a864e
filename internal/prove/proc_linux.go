package prove

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// tree returns a process and all its descendants, the process first. It needs
// a kernel with CONFIG_PROC_CHILDREN to see descendants.
func tree(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		for _, tid := range entries(fmt.Sprintf("/proc/%d/task", all[i])) {
			list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", all[i], tid))
			for field := range strings.FieldsSeq(string(list)) {
				if child, err := strconv.Atoi(field); err == nil && !slices.Contains(all, child) {
					all = append(all, child)
				}
			}
		}
	}
	return all
}

// allStopped tells whether every thread of a process is stopped or dead: the
// state of the process alone is that of its first thread.
func allStopped(pid int) (bool, error) {
	threads := entries(fmt.Sprintf("/proc/%d/task", pid))
	if len(threads) == 0 {
		return false, fmt.Errorf("process %d is gone", pid)
	}
	for _, tid := range threads {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/stat", pid, tid))
		if err != nil {
			continue // the thread has ended
		}
		// "1234 (name) S 1 …", and a name may hold anything, parentheses too.
		end := bytes.LastIndexByte(stat, ')')
		if end < 0 || end+2 >= len(stat) {
			return false, fmt.Errorf("cannot understand /proc/%d/task/%s/stat", pid, tid)
		}
		if !bytes.ContainsRune([]byte("TtZX"), rune(stat[end+2])) {
			return false, nil
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

func entries(dir string) []string {
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	return names
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
