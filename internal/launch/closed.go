package launch

import (
	"context"
	"slices"
	"time"
)

// lookForClosed is how often a worker that does not accept yet is looked at for sockets that
// it has closed again.
const lookForClosed = 500 * time.Millisecond

// giveBackClosed gives back the sockets of its own that the worker has closed again, as
// programs do that look for a free port: no worker will ever accept there. It returns when ctx
// ends.
func (p *Process) giveBackClosed(ctx context.Context) {
	ticker := time.NewTicker(lookForClosed)
	defer ticker.Stop()
	var last closedLook
	for {
		select {
		case <-ticker.C:
			last = p.giveBack(last)
		case <-ctx.Done():
			return
		}
	}
}

// closedLook is what one look has found.
type closedLook struct {
	binds  int      // that had been answered by then
	closed []string // addresses
}

// giveBack gives back what was closed at the last look, too, with no bind in between: a socket that was
// just granted is on its way to the worker, who does not have it open yet.
func (p *Process) giveBack(last closedLook) closedLook {
	// Not under the lock: the primary is locked itself when it asks for a socket.
	if p.primary != nil && p.primary.Delivers() {
		return closedLook{}
	}
	p.binder.granting.Lock() // what is bound meanwhile is not forgotten
	defer p.binder.granting.Unlock()
	_, binds := p.binder.state()
	now := closedLook{binds, p.closed()}
	for _, address := range now.closed {
		if binds == last.binds && slices.Contains(last.closed, address) {
			p.binder.forget(address, p.binder.sockets.Closed(p.order, address))
		}
	}
	return now
}

// closed returns the addresses of sockets of its own that no process of the worker has open.
func (p *Process) closed() []string {
	p.binder.mu.Lock()
	asked := slices.Clone(p.binder.asked)
	p.binder.mu.Unlock()
	processes := p.processes()
	var open, closed []string
	for _, socket := range asked {
		if socket.mayBeOpen(processes) {
			open = append(open, socket.Seat)
		} else if !slices.Contains(closed, socket.Seat) {
			closed = append(closed, socket.Seat)
		}
	}
	return slices.DeleteFunc(closed, func(address string) bool {
		return address == "" || slices.Contains(open, address)
	})
}

// mayBeOpen says whether one of the processes has the socket, or cannot be asked.
func (w bound) mayBeOpen(processes []int) bool {
	return slices.ContainsFunc(processes, func(pid int) bool {
		count, err := descriptors(pid, w.Inode)
		return count > w.Before || err != nil
	})
}

// forget removes what the worker has closed. Own says whether it has another socket of its
// own.
func (b *binder) forget(address string, own bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.own = own
	b.asked = slices.DeleteFunc(b.asked, func(socket bound) bool { return socket.Seat == address })
	b.hint()
}

// withoutSocket takes the word of a worker that has closed all sockets of its own.
func (b *binder) withoutSocket() (word string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.own {
		return ""
	}
	word, b.word = b.word, ""
	return word
}
