package footprint

import (
	"slices"
	"strconv"
	"syscall"

	"relevo/internal/procfs"
	"relevo/internal/sockdiag"
)

// Connections counts those that clients have open to workers, by the workers' pids. It is given
// the processes of each, because finding them takes longer than all else. A worker of whom the
// number is not known is left out.
func Connections(families map[int][]int) map[int]int { return open(families).connections() }

// descriptors are what families of processes have open, by the pid of the first. Those that cannot
// be read are left out: only their user can, and root.
type descriptors map[int]held

type held struct {
	sockets []uint64 // inodes, of all the family, each once
	files   int      // of all kinds, of the first process
}

func open(families map[int][]int) descriptors {
	all := make(descriptors, len(families))
	for pid, family := range families {
		h := held{sockets: make([]uint64, 0, 8)}
		add := func(inode uint64) { h.sockets = append(h.sockets, inode) }
		var err error
		if h.files, err = procfs.EachSocket(pid, add); err != nil {
			continue
		}
		for _, descendant := range family[1:] {
			_, _ = procfs.EachSocket(descendant, add) // it may have ended
		}
		slices.Sort(h.sockets)
		h.sockets = slices.Compact(h.sockets)
		all[pid] = h
	}
	return all
}

func (d descriptors) connections() map[int]int {
	seen, err := d.classify()
	if err != nil {
		return nil
	}
	found := make(map[int]int, len(d))
	for pid, h := range d {
		n, here := 0, false
		for _, inode := range h.sockets {
			switch seen[inode] {
			case accepted:
				n++
			case listens:
				here = true
			}
		}
		if here || sameNetwork(pid) {
			found[pid] = n
		}
	}
	return found
}

// role is what a socket of this network namespace is for.
type role byte

const (
	other    role = iota + 1
	listens       // here, and so do its connections end here, wherever the process is
	accepted      // the server's end of a connection
)

// classify finds the roles of sockets. To list the connections of TCP, the kernel walks through its
// table of them, which takes it milliseconds however few there are: it is asked only where one of
// the sockets may be in it.
func (d descriptors) classify() (map[uint64]role, error) {
	if len(d) == 0 {
		return nil, nil
	}
	// A kernel may be built without the list of Unix sockets.
	local, _ := sockdiag.Local()
	listening, err := sockdiag.Listening()
	if err != nil {
		return nil, err
	}
	seen := make(map[uint64]role, len(local)+len(listening))
	for _, s := range local {
		seen[uint64(s.Inode)] = other
		if s.Accepted {
			seen[uint64(s.Inode)] = accepted
		}
	}
	ports := make([]uint16, 0, len(listening))
	for _, l := range listening {
		seen[uint64(l.Inode)] = listens
		ports = append(ports, l.Address.Port())
	}
	if d.within(seen) {
		return seen, nil
	}
	slices.Sort(ports)
	inodes, err := sockdiag.Accepted(slices.Compact(ports))
	for _, inode := range inodes {
		seen[uint64(inode)] = accepted
	}
	return seen, err
}

// within says whether all sockets are among those seen.
func (d descriptors) within(seen map[uint64]role) bool {
	for _, h := range d {
		for _, inode := range h.sockets {
			if seen[inode] == 0 {
				return false
			}
		}
	}
	return true
}

// sameNetwork says whether a process is in the network namespace of this one.
func sameNetwork(pid int) bool {
	var own, its syscall.Stat_t
	return syscall.Stat("/proc/self/ns/net", &own) == nil &&
		syscall.Stat("/proc/"+strconv.Itoa(pid)+"/ns/net", &its) == nil && its.Ino == own.Ino
}
