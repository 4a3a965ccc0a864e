package listeners

import "fmt"

// Queue is what waits at a worker's seat.
type Queue struct {
	Waiting  int // connections that the worker has not accepted
	HalfOpen int // handshakes that may still end there
}

// Queue returns what waits at a worker's seat. The kernel does not tell at which seat a
// handshake is under way. So HalfOpen is, of a seat that new connections do not go to,
// the number of those of the whole address that had begun when Queue was called for the
// first time after it was left, and are not done; of any other seat, all of the address.
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

func (g *Group) halfOpen(s *seat) (int, error) {
	now, err := underWay(g.where)
	if err != nil {
		return 0, err
	}
	if s.share > 0 {
		return len(now), nil
	}
	if s.left == nil {
		s.left = now
	}
	s.left.keep(now)
	return len(s.left), nil
}
