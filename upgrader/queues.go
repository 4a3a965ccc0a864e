package upgrader

// Queues are what clients wait in: the accept queues of the listeners, and of the workers' own
// sockets there, and the receive queues of UDP sockets.
type Queues struct {
	Waiting int // connections that no worker has accepted; a UDP socket that is half full counts as one
	Dropped int // connections and datagrams turned away since the sockets were opened
}

// Queues returns what waits at present.
func (u *Upgrader) Queues() (q Queues) {
	for _, l := range u.Listeners() {
		waiting, dropped := l.queueing()
		q.Waiting += waiting
		q.Dropped += dropped
	}
	return q
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
	dropped, _ = droppedAt(l)
	return waiting(l), dropped
}
