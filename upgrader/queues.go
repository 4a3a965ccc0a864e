package upgrader

// Queues are the accept queues of the TCP listeners, and of the workers' own sockets there.
type Queues struct {
	Waiting int // connections that no worker has accepted
	Dropped int // turned away since the sockets were opened
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
	if !l.IsTCP() {
		return 0, 0
	}
	l.seats.mu.Lock()
	defer l.seats.mu.Unlock()
	if l.seats.group != nil {
		return l.seats.group.Whole()
	}
	dropped, _ = droppedAt(l)
	return waiting(l), dropped
}
