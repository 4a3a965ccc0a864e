package launch

import (
	"net/netip"
	"os"
	"slices"
	"syscall"

	"relevo/internal/capture"
	"relevo/internal/nodecluster"
	"relevo/internal/procfs"
)

// bound is an address that a worker's program has bound, and the master's socket that it
// got for it. The kernel refuses a second bind to an address (EADDRINUSE); for addresses
// of the master's sockets the master has to do that.
type bound struct {
	Address   capture.Address `json:"address"`
	Type      int             `json:"type"`
	V6Only    bool            `json:"v6only,omitempty"`
	ReusePort bool            `json:"reuseport,omitempty"`
	Inode     uint64          `json:"inode"` // of the socket
	// descriptors of it that a process had without the bind: inherited ones
	Before int `json:"before,omitempty"`
	// Seat is the address of the master's socket if it is the worker's own
	Seat string `json:"seat,omitempty"`
}

// maxBound bounds the number of binds that are remembered for a worker.
const maxBound = 256

// inUse says whether a bind has to fail with EADDRINUSE, because a process of the worker
// has a socket with that address open. As in the kernel, sockets may share an address if
// all have SO_REUSEPORT.
func (b *binder) inUse(bind capture.Bind, processes func() []int) bool {
	wanted := boundBy(bind)
	b.mu.Lock()
	all := slices.Clone(b.asked)
	b.mu.Unlock()
	for _, other := range all {
		if !wanted.clashes(other) {
			continue
		}
		idle := other.Before
		for _, third := range all { // one socket may be bound to several addresses
			if third.Inode == other.Inode && third.Address != other.Address {
				idle++
			}
		}
		if slices.ContainsFunc(processes(), func(pid int) bool {
			count, _ := descriptors(pid, other.Inode)
			return count > idle
		}) {
			return true
		}
	}
	return false
}

// remember records a granted bind. It is called before the socket replaces the program's.
func (b *binder) remember(bind capture.Bind, g Grant) {
	entry := boundBy(bind)
	if g.Own {
		entry.Seat = g.Address
	}
	var stat syscall.Stat_t
	if syscall.Fstat(g.Answer.FD, &stat) != nil {
		return
	}
	entry.Inode = stat.Ino
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.IndexFunc(b.asked, func(other bound) bool { return other.Inode == entry.Inode }); i >= 0 {
		entry.Before = b.asked[i].Before
	} else {
		entry.Before, _ = descriptors(bind.PID, entry.Inode)
	}
	b.asked = slices.DeleteFunc(b.asked, func(other bound) bool {
		return other.Address == entry.Address && other.Type == entry.Type
	})
	if len(b.asked) == maxBound {
		b.asked = b.asked[1:]
	}
	b.asked = append(b.asked, entry)
}

func boundBy(b capture.Bind) bound {
	return bound{Address: b.Address, Type: b.Socket.Type, V6Only: b.Socket.V6Only, ReusePort: b.Socket.ReusePort}
}

// clashing says whether two servers of one Node worker cannot listen at the same time.
func clashing(one, other nodecluster.Query) bool {
	var both [2]bound
	for i, q := range []nodecluster.Query{one, other} {
		if q.FD != nil && *q.FD >= 0 {
			return false
		}
		address, socket, err := wantedBy(q)
		if err != nil {
			return false
		}
		both[i] = boundBy(capture.Bind{Address: address, Socket: socket})
	}
	return both[0].clashes(both[1])
}

// clashes says whether the kernel would refuse one of two sockets while the other has its
// address (inet_csk_bind_conflict, unix_bind).
func (w bound) clashes(other bound) bool {
	if w.Address.Family == syscall.AF_UNIX || other.Address.Family == syscall.AF_UNIX {
		return w.Address == other.Address && (w.Address.Abstract() || exists(w.Address.Path))
	}
	switch {
	case w.Type != other.Type, w.Address.IP.Port() != other.Address.IP.Port(), w.ReusePort && other.ReusePort:
		return false
	case w.Address.IP.Port() == 0: // each bind gets another port (servers of Node's cluster)
		return false
	}
	return w.covers(other.Address.IP.Addr()) || other.covers(w.Address.IP.Addr())
}

// covers says whether a socket takes what comes to an address.
func (w bound) covers(ip netip.Addr) bool {
	own := w.Address.IP.Addr()
	switch {
	case own.Unmap() == ip.Unmap():
		return true
	case !own.IsUnspecified():
		return false
	case own.Is4():
		return ip.Unmap().Is4()
	}
	return ip.Is6() && !ip.Is4In6() || !w.V6Only
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// descriptors returns how many descriptors of a socket a process has: none if it has ended. The
// error is that it is another user's.
func descriptors(pid int, inode uint64) (count int, err error) {
	_, err = procfs.EachSocket(pid, func(other uint64) {
		if other == inode {
			count++
		}
	})
	if procfs.Ended(err) {
		return 0, nil
	}
	return count, err
}
