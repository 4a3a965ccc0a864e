package prove

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/procfs"
)

// socketInode is the kernel's number of a socket, 0 where it cannot tell.
func socketInode(c *net.UnixConn) uint64 {
	var st unix.Stat_t
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	if err := raw.Control(func(fd uintptr) { err = unix.Fstat(int(fd), &st) }); err != nil {
		return 0
	}
	if err != nil {
		return 0
	}
	return st.Ino
}

// holdings lists the far ends of all connections that a process and its
// descendants hold. network is "tcp" or "unix".
func holdings(network string, pid int) (map[peer]struct{}, error) {
	inodes := make(map[uint64]struct{})
	for i, p := range procfs.Tree(pid) {
		// A descendant may be gone since; the process itself must be readable.
		if err := socketInodes(p, inodes); err != nil && i == 0 {
			return nil, fmt.Errorf("cannot list the sockets of process %d: %w: run as root or as the workers' user", pid, err)
		}
	}
	return peersOf(network, pid, inodes)
}

// peersOf finds the far ends of sockets. The kernel's socket diagnosis is quick, but
// shows only its caller's network namespace; /proc shows the namespace of each process.
func peersOf(network string, pid int, inodes map[uint64]struct{}) (map[peer]struct{}, error) {
	found := make(map[peer]struct{})
	var err error
	switch {
	case network == "unix":
		err = diagUnix(inodes, found)
	case !sameNetwork(pid) || diagTCP(inodes, found) != nil:
		err = procTCP(pid, inodes, found)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list the connections of process %d: %w", pid, err)
	}
	return found, nil
}

func sameNetwork(pid int) bool {
	ours, err1 := os.Readlink("/proc/self/ns/net")
	theirs, err2 := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	return err1 == nil && err2 == nil && ours == theirs
}

// awaitStopped waits until SIGSTOP has taken hold of every thread of a process.
// Until then it may accept one more connection. A descendant is only waited
// for briefly: the signal may not have been meant for it.
func awaitStopped(ctx context.Context, pid int) error {
	const (
		often       = 500 * time.Microsecond
		leader      = time.Second
		descendants = 100 * time.Millisecond
	)
	t := time.NewTicker(often)
	defer t.Stop()
	start := time.Now()
	for {
		running, err := firstRunning(pid)
		if err != nil || running == 0 {
			return err
		}
		waited := time.Since(start)
		if waited > leader || running != pid && waited > descendants {
			return fmt.Errorf("process %d does not stop on SIGSTOP", running)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// firstRunning returns the first process of pid's tree that could still accept
// a connection: it is not stopped, and holds sockets. 0 if there is none.
func firstRunning(pid int) (int, error) {
	for i, p := range procfs.Tree(pid) {
		stopped, err := allStopped(p)
		if i == 0 {
			if err != nil || !stopped {
				return p, err
			}
			continue
		}
		inodes := make(map[uint64]struct{})
		if err == nil && !stopped && socketInodes(p, inodes) == nil && len(inodes) > 0 {
			return p, nil
		}
	}
	return 0, nil
}

// handle is a pidfd: it names one process even after its death.
type handle int

const none handle = -1

func openHandle(pid int) (handle, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return none, fmt.Errorf("cannot open a pidfd of process %d: %w", pid, err)
	}
	return handle(fd), nil
}

// cont continues a stopped process without its master.
func (h handle) cont() error { return unix.PidfdSendSignal(int(h), unix.SIGCONT, nil, 0) }

func (h handle) close() { _ = unix.Close(int(h)) }
