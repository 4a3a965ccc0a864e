package launch

import (
	"relevo/internal/procfs"
	"relevo/internal/sockdiag"
)

// quiet is how long nothing may have passed on a connection that is idle. A program
// may pause between the head of an answer and its body.
const quiet = 60 // milliseconds

// busy says whether the worker is at work for a client: some process of it holds a
// connection on one of the ports that is not idle.
func (p *Process) busy(ports []uint16) bool {
	held := map[uint64]bool{}
	for _, pid := range procfs.Tree(p.pid) {
		procfs.Sockets(pid, held)
	}
	connections, err := sockdiag.Established(ports)
	if err != nil {
		p.release.launcher.warn("cannot see whether a worker's connections are idle", "pid", p.pid, "err", err)
		return false
	}
	for _, c := range connections {
		if held[uint64(c.Inode)] && !idle(c) {
			return true
		}
	}
	return false
}

// idle says whether a client waits for nothing on a connection: all that was sent to
// it has arrived, and nothing of what it has sent is unread or unanswered.
func idle(c sockdiag.Connection) bool {
	if c.Unsent > 0 || c.Unread > 0 {
		return false
	}
	if c.Received == 0 {
		return true // it has asked for nothing yet
	}
	return c.SinceSent <= c.SinceReceived && c.SinceSent >= quiet
}
