package listeners

import "relevo/internal/config"

// Listen applies a configuration, and returns all listeners.
func (s *Set) Listen(wanted []config.Listen) ([]*Listener, error) {
	err := s.Apply(wanted)
	return s.Listeners(), err
}

// AwaitLooker waits until no goroutine looks at the listeners any more.
func AwaitLooker(s *Set) { s.looker.gone.Wait() }

// Locked calls do while s is locked and so can do nothing.
func Locked(s *Set, do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

// RetireByDecoy is Retire on a kernel that permits no filter.
func RetireByDecoy(s *Set, l *Listener) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.standing = retired
	s.keepOut(l, l.divert)
	return nil
}

// EndDecoy closes the decoy of a listener, as the end of the master does.
func EndDecoy(l *Listener) {
	l.decoy.Close()
	l.decoy = nil
}
