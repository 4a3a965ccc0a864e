package listeners

import (
	"fmt"
	"slices"

	"relevo/internal/config"
)

// Add opens a socket that is not in the configuration, for an address that a program
// binds. If a listener has the address already, Add returns that listener, and restores it
// if it was being retired. The next Apply removes the listener unless it names it.
func (s *Set) Add(w config.Listen, p Program) (*Listener, error) {
	s.mu.Lock()
	l, err := s.add(w, p)
	end := s.watch()
	s.mu.Unlock()
	end()
	return l, err
}

// add holds s.mu.
func (s *Set) add(w config.Listen, p Program) (*Listener, error) {
	if l := s.opened(w); l != nil {
		if i := slices.Index(s.retiring, l); i >= 0 {
			s.retiring = slices.Delete(s.retiring, i, i+1)
			s.listeners = append(s.listeners, l)
		}
		return l, s.admit(l)
	}
	w.Name = s.freeName(w.Name)
	l, err := s.bindFor(w, p)
	if err != nil {
		return nil, err
	}
	if err := s.keep(l); err != nil {
		l.close()
		return nil, err
	}
	s.hangups.add(l)
	s.listeners = append(s.listeners, l)
	return l, nil
}

// opened is the listener of an address, nil if there is none. Listeners on port 0 are
// distinguished by their names.
func (s *Set) opened(w config.Listen) *Listener {
	all := s.all()
	if w.AnyPort() {
		all = slices.DeleteFunc(all, func(l *Listener) bool { return l.Name != w.Name })
	}
	return match([]config.Listen{w}, all)[0]
}

// Balance is how workers share a listener of the configuration, empty where that does
// not say.
func (s *Set) Balance(l *Listener) config.Balance {
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.Listen.Balance
}

// freeName makes a name unique among the listeners.
func (s *Set) freeName(wanted string) string {
	name := wanted
	for n := 2; slices.ContainsFunc(s.all(), func(l *Listener) bool { return l.Name == name }); n++ {
		name = fmt.Sprintf("%s-%d", wanted, n)
	}
	return name
}
