package upgrader

import "errors"

// mendSeats mends what workers have done to sockets of their own: each of them harms
// nobody else by it, so it is no news. A program asserts its own accept queue when it
// listens.
func (u *Upgrader) mendSeats(l *Listener, verify bool) {
	l.seats.mu.Lock()
	defer l.seats.mu.Unlock()
	if err := l.seats.mend(verify); err != nil {
		u.log.Error("the sockets of workers are damaged", "listener", l.Name, "address", l.Address, "err", err)
	}
	u.rewatch(l)
}

// rewatch has new sockets that took the places of others watched, and kept. It holds u.mu
// and l.seats.mu.
func (u *Upgrader) rewatch(l *Listener) {
	if l.seats.group == nil {
		return
	}
	if l.seats.group.Renewed() {
		u.hangups.add(l)
		u.dropFile(l)
		u.keepFile(l)
	}
	_, seats := l.seats.group.Legacy()
	for _, seat := range seats {
		u.hangups.addSeat(seat)
	}
}

// mend holds s.mu. To verify is to ask the kernel for the order of all sockets, which
// takes long where there are many: for when one of them was heard to hang up.
func (s *seating) mend(verify bool) (failed error) {
	if s.group == nil {
		return nil
	}
	if verify {
		_, failed = s.group.Heal()
	}
	_, err := s.group.Tend()
	return errors.Join(failed, err)
}
