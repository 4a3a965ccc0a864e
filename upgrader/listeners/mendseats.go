package listeners

import "errors"

// mendSeats repairs workers' own sockets. It reports nothing, because a worker that
// damages its own socket harms only itself. A program sets the accept queue of its socket
// when it listens.
func (s *Set) mendSeats(l *Listener, verify bool) {
	l.seats.mu.Lock()
	defer l.seats.mu.Unlock()
	if err := l.seats.mend(verify); err != nil {
		s.log.Error("the sockets of workers are damaged", "listener", l.Name, "address", l.Address, "err", err)
	}
	s.rewatch(l)
}

// rewatch watches the new sockets that replaced others, and gives them to the keeper. It
// holds s.mu and l.seats.mu.
func (s *Set) rewatch(l *Listener) {
	if l.seats.group == nil {
		return
	}
	if l.seats.group.Renewed() {
		s.hangups.add(l)
		s.dropFile(l)
		s.keepFile(l)
	}
	_, seats := l.seats.group.Legacy()
	for _, seat := range seats {
		s.hangups.addSeat(seat)
	}
}

// mend holds s.mu. verify asks the kernel for the order of all sockets. That takes long
// where there are many, so it is for the case that one of them has hung up.
func (s *seating) mend(verify bool) (failed error) {
	if s.group == nil {
		return nil
	}
	if verify {
		failed = s.group.Heal()
	}
	return errors.Join(failed, s.group.Tend())
}

// decideMode says whether one worker decides if the listener's socket blocks: the worker has the
// socket as its own, or had it last, and no other worker accepts there.
func (s *seating) decideMode() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.group != nil && !s.group.ServesCommon()
}
