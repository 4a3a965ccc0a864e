package upgrader

import "errors"

// Rest is called when all workers leave and none are to follow until a client comes, and with
// false if that has changed: listeners.Group.Rest.
func (u *Upgrader) Rest(on bool) (failed error) {
	for _, l := range u.Listeners() {
		failed = errors.Join(failed, l.seats.rest(on))
	}
	return failed
}

func (s *seating) rest(on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.group == nil {
		return nil
	}
	return s.group.Rest(on)
}
