package seats

import "fmt"

// Queue is what waits at a worker's seat.
type Queue struct {
	Waiting  int // connections that the worker has not accepted
	HalfOpen int // handshakes that may still end there; 0 while new connections go there
}

// Queue returns what waits at a worker's seat. The kernel does not show at which seat a
// handshake is under way. So HalfOpen counts the handshakes of the whole address that
// were under way at the first call of Queue after Leave, and still are: it falls to 0,
// however many new ones other seats get. If sock_diag(7) does not answer, there is an
// error, and only Waiting is right.
func (g *Group) Queue(worker string) (Queue, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.seatOf(worker)
	if s == nil {
		return Queue{}, fmt.Errorf("cannot look at the queue of worker %s: %w", worker, ErrNoSeat)
	}
	halfOpen, err := g.halfOpen(s)
	return Queue{Waiting: queueLength(s.file), HalfOpen: halfOpen}, err
}

// Whole returns what waits at all seats, and how many connections the kernel has turned away
// there since they were opened.
func (g *Group) Whole() (waiting, dropped int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.members {
		if !s.stranger() {
			waiting += queueLength(s.file)
			dropped += int(s.drops())
		}
	}
	return waiting, dropped
}

// Filled returns how many connections wait at all seats, and how many may wait. It never waits
// for the lock: ok is false while the group is busy.
func (g *Group) Filled() (waiting, limit int, ok bool) {
	if !g.mu.TryLock() {
		return 0, 0, false
	}
	defer g.mu.Unlock()
	for _, s := range g.members {
		if !s.stranger() && listening(s.file) {
			waiting += queueLength(s.file)
			limit += queueLimit(s.file)
		}
	}
	return waiting, limit, true
}

func (g *Group) halfOpen(s *seat) (n int, err error) {
	switch {
	case s.share > 0:
		return 0, nil
	case s.left == nil:
		s.left, err = underWay(g.where)
	default:
		err = s.left.keep()
	}
	if err != nil {
		return 0, fmt.Errorf("cannot look for handshakes at %s: %w", g.where.address, err)
	}
	return len(s.left), nil
}
