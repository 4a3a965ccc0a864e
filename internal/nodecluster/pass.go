package nodecluster

import (
	"net/netip"
	"os"
	"slices"
	"syscall"
)

// Passing is a connection on its way to a worker. The worker's server serves it as if it had
// accepted it (newconn).
type Passing struct {
	sending func()
	done    func(taken bool)
	seq     int64 // number of the message that passes it
	sent    bool
	told    bool
}

// Pass gives the worker a connection that another worker has accepted at the address local.
// It returns false if the worker has no server there.
//
// sending is called right before each attempt to send it, and must not call methods of p.
// done is called once, from any goroutine, and says whether the worker's server has taken
// the connection. The file belongs to the caller, who must not close it before done is
// called.
func (p *Primary) Pass(local netip.AddrPort, connection *os.File, sending func(), done func(taken bool)) (
	passing *Passing, ok bool,
) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key, ok := p.serverAt(local)
	if !ok || p.disconnecting || p.takesNoMore {
		return nil, false
	}
	passing = &Passing{sending: sending, done: done}
	d := &delivery{Key: key, Passed: true, socket: connection, passing: passing}
	if p.waiting = append(p.waiting, d); len(p.waiting) == 1 {
		p.deliver()
	}
	return passing, true
}

// Withdraw takes back a connection. It returns false if the connection was already sent.
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

// Ended is called when the worker reads no more. Connections on their way have not arrived.
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

// TakeNoMore makes Pass refuse connections from now on, because the worker leaves.
// Connections that wait for their turn are refused, too.
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

// serverAt returns the key of the worker's server at an address. The caller holds p.mu.
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

// pass sends the connection of a delivery. The caller holds p.mu.
func (p *Primary) pass(d *delivery) {
	delete(p.passed, d.passing.seq) // the number of the previous attempt
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

// taken records whether the worker's server has accepted the connection of message seq. It
// refuses one if it is closed, or has maxConnections already. The caller holds p.mu.
func (p *Primary) taken(seq int64, accepted bool) {
	passing := p.passed[seq]
	delete(p.passed, seq)
	passing.tell(accepted)
}

func (p *Passing) tell(taken bool) {
	if p != nil && !p.told {
		p.told = true
		go p.done(taken) // in a goroutine, because the caller holds locks that done may take
	}
}

// tornSeq is larger than the number of messages that a master sends between two legacies that
// it stores.
const tornSeq = 1 << 20

// Tear adapts a legacy of a master that was killed, which is older than the master's end.
// Connections that were on their way may have arrived, and more numbers may have been used.
// If the worker will be asked to repeat its requests (AskAgain), the answers that wait are
// left out. Otherwise Redeliver has to send them again: the worker may have acknowledged them
// to the killed master, and Node ignores a second answer.
func (l *Legacy) Tear(asks bool) {
	l.Seq += tornSeq
	l.Waiting = slices.DeleteFunc(l.Waiting, func(d *delivery) bool { return d.Passed || asks })
}

// addressOf returns the address of a listening socket.
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
