package listeners

import (
	"sync"

	"relevo/internal/procnet"
)

// Queues are what clients wait in: the accept queues of the listeners, and of the workers' own
// sockets there, and the receive queues of UDP sockets.
type Queues struct {
	Waiting int // connections that no worker has accepted; a UDP socket that is half full counts as one
	Dropped int // connections and datagrams turned away so far; only the difference of two looks means something
}

// Queues returns what waits at present.
func (s *Set) Queues() (q Queues) {
	discarded := 0
	for _, l := range s.Listeners() {
		waiting, dropped := l.queueing()
		q.Waiting += waiting
		if l.Datagram() {
			q.Dropped += dropped
		} else {
			discarded += dropped
		}
	}
	overflows, _ := procnet.Overflows()
	q.Dropped += s.turnedAway.note(discarded, overflows)
	return q
}

// Dropped counts the connections that the kernel has turned away so far, because no worker accepted
// in time; ok is false where it does not tell. Only the difference of two looks means something.
func (s *Set) Dropped() (n int, ok bool) {
	overflows, known := procnet.Overflows()
	discarded := 0
	for _, l := range s.Listeners() {
		if l.IsTCP() {
			_, dropped := l.queueing()
			discarded, ok = discarded+dropped, known
		}
	}
	return s.turnedAway.note(discarded, overflows), ok
}

// turnedAway counts connections for which there was no room. A listening socket counts all
// packets that it discards: also those with which its place among its siblings is found out, and
// resets of clients that come late. The kernel counts full queues, but for all sockets together.
// So what both have seen since the last look counts.
type turnedAway struct {
	mu                   sync.Mutex
	looked               bool
	discarded, overflows int // at the last look
	n                    int
}

func (t *turnedAway) note(discarded, overflows int) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.looked {
		t.n += max(min(discarded-t.discarded, overflows-t.overflows), 0)
	}
	t.looked, t.discarded, t.overflows = true, discarded, overflows
	return t.n
}

func (l *Listener) queueing() (atPresent, dropped int) {
	switch {
	case l.Network.IsUnix():
		return waitingLocally(l), 0 // the kernel has a client wait where the queue is full
	case l.Datagram():
		return datagrams(l)
	}
	l.seats.mu.Lock()
	defer l.seats.mu.Unlock()
	if l.seats.group != nil {
		return l.seats.group.Whole()
	}
	return waiting(l), droppedAt(l)
}

// Queue is what waits at one listener. What the kernel does not tell is nil.
type Queue struct {
	Waiting *int // connections that no worker has accepted
	Limit   *int // the most that may wait; a client more is turned away, or waits in connect(2)
	Dropped *int // packets discarded since the socket was opened, most of them of clients turned away
}

// Queue returns what waits at a listener. Where workers have sockets of their own it tells no
// drops, because the master drops packets of its own there, to find their order.
func (s *Set) Queue(l *Listener) (q Queue) {
	switch {
	case l.Network.IsUnix() && !l.Datagram():
		waiting := waitingLocally(l)
		return Queue{Waiting: &waiting}
	case l.Datagram():
		return Queue{Dropped: discarded(l)}
	}
	if !l.seats.mu.TryLock() {
		return q // the order of the sockets is being found, which takes a while
	}
	defer l.seats.mu.Unlock()
	if l.seats.group != nil {
		if waiting, limit, ok := l.seats.group.Filled(); ok {
			q.Waiting, q.Limit = &waiting, &limit
		}
		return q
	}
	waiting, limit := waiting(l), queueLength(l)
	return Queue{Waiting: &waiting, Limit: &limit, Dropped: discarded(l)}
}
