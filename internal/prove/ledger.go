package prove

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// nearKill is how long after a kill a broken connection is attributed to it, if the worker's
// connections are unknown.
const nearKill = time.Second

// peer identifies the client's end of a connection: a TCP address, or the inode of a Unix socket,
// which has no address.
type peer struct {
	addr  netip.AddrPort
	inode uint64
}

// peerOf names the local end of c.
func peerOf(c net.Conn) peer {
	switch c := c.(type) {
	case *net.TCPConn:
		if a, ok := c.LocalAddr().(*net.TCPAddr); ok {
			p := a.AddrPort()
			return peer{addr: netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())}
		}
	case *net.UnixConn:
		return peer{inode: socketInode(c)}
	}
	return peer{}
}

// ledger knows which connections every killed worker held, to tell a request that died with its
// worker from a lost one.
type ledger struct {
	keep time.Duration // how long after a kill its entry matters

	mu      sync.Mutex
	entries []*entry
}

// entry is one kill.
type entry struct {
	stopped time.Time         // before this time the worker was well
	killed  time.Time         // zero: not yet
	held    map[peer]struct{} // nil: unknown, attribute by time
}

// open records a kill that is about to happen. It must be called before the SIGKILL.
func (l *ledger) open(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := time.Now().Add(-l.keep)
	l.entries = slices.DeleteFunc(l.entries, func(e *entry) bool {
		return !e.killed.IsZero() && e.killed.Before(old)
	})
	l.entries = append(l.entries, e)
}

// done records the time of a kill.
func (l *ledger) done(e *entry, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.killed = at
}

// drop removes a kill that failed.
func (l *ledger) drop(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = slices.DeleteFunc(l.entries, func(other *entry) bool { return other == e })
}

// explains says whether a killed worker held the connection, which was dialed and broke at the
// given times. The times matter because ports are used again.
func (l *ledger) explains(p peer, dialed, broke time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.entries, func(e *entry) bool { return e.explains(p, dialed, broke) })
}

func (e *entry) explains(p peer, dialed, broke time.Time) bool {
	pending := e.killed.IsZero()
	if broke.Before(e.stopped) || !pending && dialed.After(e.killed) {
		return false
	}
	if e.held == nil {
		return pending || broke.Sub(e.killed) < nearKill
	}
	_, held := e.held[p]
	return held && p != peer{}
}
