package nodecluster

import (
	"net/netip"
	"os"
	"slices"
	"syscall"
)

// Passing is a connection on its way to a worker whose server is to serve it, as if it had
// accepted it (newconn).
type Passing struct {
	sending func()
	done    func(taken bool)
	seq     int64 // of the message that is on its way
	sent    bool
	told    bool
}

// Pass gives the worker a connection that another one had accepted at the address local.
// sending is called right before it is sent, each time, and must call nothing of p. done is
// called once, from any goroutine: whether the worker's server has taken it. The file stays
// the caller's, and has to stay open until then. It says false where the worker has no
// server there.
func (p *Primary) Pass(local netip.AddrPort, connection *os.File, sending func(), done func(taken bool)) (
	passing *Passing, ok bool,
) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key, ok := p.serverAt(local)
	if !ok || p.leaving || p.takesNoMore {
		return nil, false
	}
	passing = &Passing{sending: sending, done: done}
	d := &delivery{Key: key, Passed: true, socket: connection, passing: passing}
	if p.waiting = append(p.waiting, d); len(p.waiting) == 1 {
		p.deliver()
	}
	return passing, true
}

// Withdraw takes back a connection that was not sent yet; it says false where it was.
func (p *Primary) Withdraw(passing *Passing) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.IndexFunc(p.waiting, func(d *delivery) bool { return d.passing == passing })
	if at < 0 || passing.sent {
		return false
	}
	p.waiting = slices.Delete(p.waiting, at, at+1)
	passing.told = true
	return true
}

// Ended is told when the worker reads no more: what was on its way has not arrived.
func (p *Primary) Ended() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.takesNoMore = true
	for _, d := range p.waiting {
		d.passing.tell(false)
	}
	for _, passing := range p.passed {
		passing.tell(false)
	}
	p.waiting, p.passed = nil, nil
}

// TakeNoMore has Pass refuse connections from now on: the worker leaves. Those that wait
// for their turn are refused, too.
func (p *Primary) TakeNoMore() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.takesNoMore = true
	p.waiting = slices.DeleteFunc(p.waiting, func(d *delivery) bool {
		withdrawn := d.passing != nil && !d.passing.sent
		if withdrawn {
			d.passing.tell(false)
		}
		return withdrawn
	})
}

// Taking says whether a connection is on its way.
func (p *Primary) Taking() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.passed) > 0 || len(p.waiting) > 0 && p.waiting[0].Passed
}

// serverAt returns the key of the worker's server at an address. It holds p.mu.
func (p *Primary) serverAt(local netip.AddrPort) (key string, ok bool) {
	for k, address := range p.at {
		if address.Port() != local.Port() {
			continue
		}
		if address.Addr().Unmap() == local.Addr().Unmap() {
			return k, true
		}
		if address.Addr().IsUnspecified() {
			key, ok = k, true
		}
	}
	return key, ok
}

// pass sends the connection of a delivery. It holds p.mu.
func (p *Primary) pass(d *delivery) {
	delete(p.passed, d.passing.seq) // of the try before
	d.passing.seq, d.passing.sent = p.next(), true
	if p.passed == nil {
		p.passed = map[int64]*Passing{}
	}
	p.passed[d.passing.seq] = d.passing
	seq := d.passing.seq
	d.passing.sending()
	if p.send(handle{cmdHandle, streamHandle, order{Cmd: cmdCluster, Act: actConnection, Key: d.Key, Seq: seq}},
		d.socket) != nil {
		p.taken(seq, false)
	}
}

// taken is what the worker says of the connection that came with message seq: its server
// may have as many as it may (maxConnections), or be closed. It holds p.mu.
func (p *Primary) taken(seq int64, accepted bool) {
	passing := p.passed[seq]
	delete(p.passed, seq)
	passing.tell(accepted)
}

func (p *Passing) tell(taken bool) {
	if p != nil && !p.told {
		p.told = true
		go p.done(taken) // its caller may hold what done wants
	}
}

// tornSeq is more messages than a master sends between two states that it keeps.
const tornSeq = 1 << 20

// Tear makes a legacy older than its master's death fit: what was on its way then may have
// arrived, and numbers may have been used.
func (l *Legacy) Tear() {
	l.Seq += tornSeq
	l.Waiting = slices.DeleteFunc(l.Waiting, func(d *delivery) bool { return d.Passed })
}

// addressOf returns what a listening socket is bound to.
func addressOf(socket *os.File) (address netip.AddrPort) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return address
	}
	_ = raw.Control(func(fd uintptr) {
		name, err := syscall.Getsockname(int(fd))
		if err != nil {
			return
		}
		switch name := name.(type) {
		case *syscall.SockaddrInet4:
			address = netip.AddrPortFrom(netip.AddrFrom4(name.Addr), uint16(name.Port))
		case *syscall.SockaddrInet6:
			address = netip.AddrPortFrom(netip.AddrFrom16(name.Addr), uint16(name.Port))
		}
	})
	return address
}
