package footprint

import (
	"strconv"
	"syscall"

	"relevo/internal/launch"
	"relevo/internal/procfs"
	"relevo/internal/sockdiag"
)

// Of finds what workers use, by their pids. A worker that has ended is left out.
func Of(pids []int) map[int]Footprint {
	return look(pids, procfs.NewTable(), func(pid int, _ []procfs.Stat) (int64, error) { return launch.Memory(pid) })
}

// Quick is Of in a tenth of the time: pages that processes share count for each of them. The table
// has what it reads of the processes.
func Quick(pids []int, table procfs.Table) map[int]Footprint {
	return look(pids, table, func(_ int, family []procfs.Stat) (resident int64, _ error) {
		for _, stat := range family {
			resident += stat.Resident()
		}
		return resident, nil
	})
}

func look(pids []int, table procfs.Table,
	memoryOf func(pid int, family []procfs.Stat) (int64, error)) map[int]Footprint {
	found := map[int]Footprint{}
	accepted, err := acceptedSockets()
	own := network("self")
	for _, pid := range pids {
		if _, there := table.Stat(pid); !there {
			continue
		}
		var u Footprint
		var family []procfs.Stat
		members := table.Tree(pid)
		for _, member := range members {
			if stat, ok := table.Stat(member); ok {
				family = append(family, stat)
				u.CPU += stat.CPU()
			}
		}
		var ended error
		if u.Memory, ended = memoryOf(pid, family); ended != nil {
			continue
		}
		if err == nil && own != 0 && network(strconv.Itoa(pid)) == own {
			u.Connections, u.Connected = open(members, accepted)
		}
		found[pid] = u
	}
	return found
}

// Connections counts those that clients have open to workers, by the workers' pids. It is given
// the processes of each, because finding them takes longer than all else. A worker of whom the
// number is not known is left out.
func Connections(families map[int][]int) map[int]int {
	found := map[int]int{}
	accepted, err := acceptedSockets()
	if err != nil {
		return found
	}
	own := network("self")
	for pid, family := range families {
		if own == 0 || network(strconv.Itoa(pid)) != own {
			continue
		}
		if n, known := open(family, accepted); known {
			found[pid] = n
		}
	}
	return found
}

// open counts the connections of a family of processes. Their descriptors can only be read
// by their user, and by root.
func open(family []int, accepted map[uint64]bool) (n int, known bool) {
	if len(accepted) == 0 {
		return 0, true
	}
	sockets := map[uint64]bool{}
	for i, pid := range family {
		if err := procfs.Sockets(pid, sockets); err != nil && i == 0 {
			return 0, false
		}
	}
	for inode := range sockets {
		if accepted[inode] {
			n++
		}
	}
	return n, true
}

func listeningPorts() (ports []uint16, err error) {
	listening, err := sockdiag.Listening()
	for _, l := range listening {
		ports = append(ports, l.Address.Port())
	}
	return ports, err
}

// acceptedSockets are the server's ends of the connections of this network namespace.
func acceptedSockets() (map[uint64]bool, error) {
	ports, err := listeningPorts()
	if err != nil {
		return nil, err
	}
	connections, err := sockdiag.Established(ports)
	if err != nil {
		return nil, err
	}
	accepted := map[uint64]bool{}
	for _, c := range connections {
		accepted[uint64(c.Inode)] = true
	}
	// A kernel may be built without the list of Unix sockets.
	local, _ := sockdiag.AcceptedLocally()
	for _, inode := range local {
		accepted[uint64(inode)] = true
	}
	delete(accepted, 0) // those that nobody has accepted yet
	return accepted, nil
}

// network is the inode of the network namespace of a process; 0: it is not known.
func network(pid string) uint64 {
	var is syscall.Stat_t
	if syscall.Stat("/proc/"+pid+"/ns/net", &is) != nil {
		return 0
	}
	return is.Ino
}
