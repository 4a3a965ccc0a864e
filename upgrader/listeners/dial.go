package listeners

import (
	"context"
	"fmt"
	"net"

	"relevo/upgrader/listeners/seats"
)

// SeatsOf are the listeners at which a worker has a socket of its own, those included
// that take no new clients any more.
func (s *Set) SeatsOf(worker string) (all []*Listener) {
	s.mu.Lock()
	open := s.all()
	s.mu.Unlock()
	for _, l := range open {
		if l.Seated(worker) {
			all = append(all, l)
		}
	}
	return all
}

// Dial connects to a worker's own socket through the public address. The error is one of
// package seats where there is none.
func (l *Listener) Dial(ctx context.Context, worker string) (net.Conn, error) {
	group := l.seats.seated(worker)
	if group == nil {
		return nil, fmt.Errorf("cannot connect to worker %s at %s: %w", worker, l.Address, seats.ErrNoSeat)
	}
	return group.Dial(ctx, worker)
}

// Suspend leads no new client to a worker's own socket while it fails, or again.
func (l *Listener) Suspend(worker string, suspended bool) error {
	if group := l.seats.seated(worker); group != nil {
		return group.Suspend(worker, suspended)
	}
	return nil
}
