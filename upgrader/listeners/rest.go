package listeners

import "errors"

// Rest is called when all workers leave and none are to follow until a client comes, and with
// false if that has changed: seats.Group.Rest.
func (s *Set) Rest(on bool) (failed error) {
	for _, l := range s.held() {
		failed = errors.Join(failed, l.seats.rest(on))
		if on {
			s.keepPathAlone(l)
		}
	}
	return failed
}

// keepPathAlone guards the path of a Unix socket at which one program alone serves: the program
// removes the path when it ends.
func (s *Set) keepPathAlone(l *Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.socket != nil && l.socket.held != "" {
		l.socket.guarded = true
		s.guardPath(l)
	}
}

func (s *seating) rest(on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.group == nil {
		return nil
	}
	return s.group.Rest(on)
}
