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
func Connections(families map[int][]int) map[int]int {
	all := make([]worker, 0, len(families))
	for pid, family := range families {
		all = append(all, worker{pid: pid, family: family})
	}
	connect(all)
	found := make(map[int]int, len(all))
	for _, w := range all {
		if w.Connected {
			found[w.pid] = w.Connections
		}
	}
	return found
}

// worker is one that is looked at.
type worker struct {
	Footprint
	pid     int
	family  []int    // of processes, it is the first
	sockets []uint64 // inodes of those that the family has open, sorted, each once
}

// connect counts the connections and the descriptors of workers. Those of a worker that cannot be
// read are not known: only its user can, and root.
func connect(all []worker) {
	readable := 0
	for i := range all {
		if all[i].open() {
			readable++
		}
	}
	if readable == 0 {
		return
	}
	seen, err := classify(all)
	if err != nil {
		return
	}
	for i := range all {
		if all[i].Files >= 0 {
			all[i].count(seen)
		}
	}
}

// open lists the sockets, and counts the descriptors of the worker itself.
func (w *worker) open() (readable bool) {
	w.sockets = make([]uint64, 0, 8)
	add := func(inode uint64) { w.sockets = append(w.sockets, inode) }
	var err error
	if w.Files, err = procfs.EachSocket(w.pid, add); err != nil {
		w.Files = -1
		return false
	}
	for _, descendant := range w.family[1:] {
		_, _ = procfs.EachSocket(descendant, add) // it may have ended
	}
	slices.Sort(w.sockets)
	w.sockets = slices.Compact(w.sockets)
	return true
}

// count counts the connections, if the worker's are of this network namespace.
func (w *worker) count(seen map[uint64]role) {
	n, here := 0, false
	for _, inode := range w.sockets {
		switch seen[inode] {
		case accepted:
			n++
		case listens:
			here = true
		}
	}
	if here || sameNetwork(w.pid) {
		w.Connections, w.Connected = n, true
	}
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
func classify(all []worker) (map[uint64]role, error) {
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
	if within(all, seen) {
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
func within(all []worker, seen map[uint64]role) bool {
	for _, w := range all {
		for _, inode := range w.sockets {
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
