package rescue

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/sockdiag"
)

// Holding is the set of connections that are taken from a leaving worker.
type Holding struct {
	worthy func(client netip.Addr) bool
	known  map[uint64]*connection // by inode
	given  map[uint64]bool        // by inode: those that a relay or another worker has
	// threaded are the processes one of whose threads was seen to wait in a read of a connection.
	threaded map[int]bool

	stays    bool          // see WorkerCloses
	resumes  time.Time     // until then nothing is held back, see Rest
	patience time.Duration // how long a request may be held back
}

// connection is a copy of a connection that a worker has accepted.
type connection struct {
	fd          int  // no os.File, which would be polled or change the mode; the worker shares the mode
	pid, theirs int  // the worker's process, and its descriptor
	reader      int  // a thread of that process that waits in a read of it; 0: none
	threaded    bool // see Holding.threaded
	course      course
	idle        bool      // at the last look
	waits       time.Time // since when a request is held back in it
}

// Take returns an empty Holding; Look fills it. clients says whose connections are rescued.
// given are the inodes of the connections that relays have.
func Take(clients func(client netip.Addr) bool, given []uint64) *Holding {
	h := &Holding{worthy: clients, known: map[uint64]*connection{}, given: map[uint64]bool{}, patience: patience,
		threaded: map[int]bool{}}
	for _, inode := range given {
		h.given[inode] = true
	}
	return h
}

// WorkerCloses says that the worker itself closes each connection after its answer, and that it
// lives until then.
func (h *Holding) WorkerCloses(closes bool) { h.stays = closes }

// Look copies the processes' connections on these local ports, unless it knows them already,
// and looks at all of them. done says whether the worker has answered everything on each of
// them. If the descriptors of a process cannot be copied, the process keeps its connections,
// and the error says why.
func (h *Holding) Look(pids []int, ports []uint16) (done bool, err error) {
	seen := map[uint64]bool{}
	for _, pid := range pids {
		err = errors.Join(err, h.copyFrom(pid, ports, seen))
	}
	done = true
	readers := readers{}
	h.learn(readers)
	for inode, c := range h.known {
		if !seen[inode] && err == nil {
			if c.idle = c.leftUnread(readers); c.idle {
				continue
			}
			c.close() // the worker has closed it, after its last answer
			delete(h.known, inode)
			continue
		}
		if !c.step(readers, time.Now().Before(h.resumes)) {
			done = false
		}
	}
	return done, err
}

// learn finds the processes that have a thread for each connection, and the threads that wait
// for the next request.
func (h *Holding) learn(readers readers) {
	for _, c := range h.known {
		if isNonBlocking(c.fd) {
			continue
		}
		if c.reader = readers.of(c.pid, c.theirs); c.reader != 0 {
			h.threaded[c.pid] = true
		}
	}
	for _, c := range h.known {
		c.threaded, c.course.stays = h.threaded[c.pid], h.stays
	}
}

// copyFrom takes the connections of one process.
func (h *Holding) copyFrom(pid int, ports []uint16, seen map[uint64]bool) error {
	directory := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(directory)
	if errors.Is(err, os.ErrNotExist) {
		return nil // it has ended
	}
	if err != nil {
		return fmt.Errorf("cannot look at the connections of process %d: %w", pid, err)
	}
	pidfd := -1
	defer func() { closeFD(pidfd) }()
	for _, entry := range entries {
		target, err := os.Readlink(directory + "/" + entry.Name())
		number, isSocket := strings.CutPrefix(target, "socket:[")
		if err != nil || !isSocket {
			continue
		}
		inode, _ := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64)
		seen[inode] = true
		if h.Has(inode) {
			continue
		}
		if pidfd < 0 {
			if pidfd, err = unix.PidfdOpen(pid, 0); err != nil {
				return nil // it has ended
			}
		}
		theirs, _ := strconv.Atoi(entry.Name())
		fd, err := unix.PidfdGetfd(pidfd, theirs, 0)
		switch {
		case errors.Is(err, unix.EBADF), errors.Is(err, unix.ESRCH):
			continue // closed meanwhile
		case err != nil:
			return fmt.Errorf("cannot copy the connections of process %d: %w", pid, err)
		case !h.wants(fd, ports):
			unix.Close(fd)
			continue
		}
		if isHeld(fd) { // by a master that was killed
			unhold(fd)
		}
		h.known[inode] = &connection{fd: fd, pid: pid, theirs: theirs}
	}
	return nil
}

func closeFD(fd int) {
	if fd >= 0 {
		unix.Close(fd)
	}
}

// wants says whether a socket is a connection of one of the clients.
func (h *Holding) wants(fd int, ports []uint16) bool {
	if listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || listens != 0 {
		return false
	}
	if kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL); err != nil || kind != unix.IPPROTO_TCP {
		return false
	}
	if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err != nil ||
		info.State != unix.BPF_TCP_ESTABLISHED && info.State != unix.BPF_TCP_CLOSE_WAIT {
		return false // its end has begun
	}
	local, err := unix.Getsockname(fd)
	if err != nil {
		return false
	}
	peer, err := unix.Getpeername(fd)
	if err != nil {
		return false
	}
	return slices.Contains(ports, addressOf(local).Port()) && h.worthy(addressOf(peer).Addr())
}

// addressOf is written as in the kernel's lists: without a zone, and IPv4 as IPv4.
func addressOf(name unix.Sockaddr) netip.AddrPort {
	address := sockdiag.AddrPort(name)
	return netip.AddrPortFrom(address.Addr().Unmap().WithZone(""), address.Port())
}

// step looks at a connection and acts on the verdict. done says that the worker has answered
// everything on it.
func (c *connection) step(readers readers, rests bool) (done bool) {
	l, err := c.look(readers)
	if err != nil {
		c.idle = true
		return true
	}
	verdict := c.course.judge(l)
	c.idle = verdict == idle
	if !c.idle || l.unread == 0 {
		c.waits = time.Time{}
	} else if c.waits.IsZero() {
		c.waits = time.Now()
	}
	switch verdict {
	case hold:
		c.course.held = !rests && c.hold(l)
	case yield:
		c.unhold()
		c.course.held = false
	}
	return c.idle
}

// leftUnread says whether the worker has closed the connection while a request was held back
// in it. The relay serves that request.
func (c *connection) leftUnread(readers readers) bool {
	l, err := c.look(readers)
	return err == nil && c.course.held && l.unread > 0 && l.begins
}

func (c *connection) close() {
	c.unhold()
	unix.Close(c.fd)
}

func (c *connection) look(readers readers) (l look, err error) {
	if l.unread, err = unix.IoctlGetInt(c.fd, unix.SIOCINQ); err != nil {
		return l, err
	}
	if l.unsent, err = unix.IoctlGetInt(c.fd, unix.SIOCOUTQ); err != nil {
		return l, err
	}
	info, err := unix.GetsockoptTCPInfo(c.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return l, err
	}
	if l.unread > 0 {
		var head [longestMethod + 1]byte
		n, _, err := unix.Recvfrom(c.fd, head[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		l.begins = err == nil && beginsLikeRequest(head[:n])
	}
	l.received, l.sent = info.Bytes_received, info.Bytes_sent
	l.sinceReceived = time.Duration(info.Last_data_recv) * time.Millisecond
	l.sinceSent = time.Duration(info.Last_data_sent) * time.Millisecond
	l.sinceAck = time.Duration(info.Last_ack_recv) * time.Millisecond
	if l.blocks = !isNonBlocking(c.fd); l.blocks {
		c.reader = readers.of(c.pid, c.theirs)
		l.reads, l.threaded = c.reader != 0, c.threaded
	}
	return l, nil
}

// patience is how long a request may be held back at first, while other connections of its
// worker are in use.
const patience = 100 * time.Millisecond

// Late says whether a request was held back for longer than the patience.
func (h *Holding) Late() bool {
	for _, c := range h.known {
		if !c.waits.IsZero() && time.Since(c.waits) > h.patience {
			return true
		}
	}
	return false
}

// Cancel gives the connections back to the worker.
func (h *Holding) Cancel() {
	for inode, c := range h.known {
		c.close()
		delete(h.known, inode)
	}
}

// Given says whether a relay has a connection.
func (h *Holding) Given(inode uint64) bool { return h.given[inode] }

// Idle says whether a held connection was idle at the last look.
func (h *Holding) Idle(inode uint64) bool { return h.known[inode] != nil && h.known[inode].idle }

// Has says whether the connection with this inode is held, or given away.
func (h *Holding) Has(inode uint64) bool { return h.known[inode] != nil || h.given[inode] }
