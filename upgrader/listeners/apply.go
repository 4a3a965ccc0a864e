package listeners

import (
	"errors"
	"fmt"
	"slices"

	"relevo/internal/config"
)

// Apply applies the listeners of a new configuration. It opens the new ones, all or none,
// and keeps those with the same network and address, under their new name, mode, backlog
// and blocking mode. Removed listeners keep serving, so that nothing is lost if their
// workers are never replaced: Retire, Park and CloseListener take a listener away step by
// step, and an Apply that has it again restores it.
func (s *Set) Apply(wanted []config.Listen) error {
	s.mu.Lock()
	err := s.apply(wanted)
	end, replaced := s.watch(), s.takeFound()
	s.mu.Unlock()
	end()
	s.tell(replaced)
	return err
}

// apply holds s.mu.
func (s *Set) apply(wanted []config.Listen) error {
	matches := match(wanted, s.all())
	opened, err := s.openMissing(wanted, matches)
	if err != nil {
		return errors.Join(err, closeAll(opened))
	}
	for _, l := range opened {
		s.hangups.add(l)
	}
	before := s.all()
	for i, w := range wanted {
		if l := matches[i]; slices.Contains(before, l) {
			if err := s.adjust(l, w); err != nil {
				s.log.Error("listener is not as configured", "listener", l.Name, "address", l.Address, "err", err)
			}
		}
	}
	s.listeners = matches
	s.retiring = slices.DeleteFunc(before, func(l *Listener) bool { return slices.Contains(matches, l) })
	return nil
}

// openMissing opens the wanted listeners that have no match, and adds them to the
// matches. With an error it returns those that have to be closed again. The keeper gets
// them when all are open.
func (s *Set) openMissing(wanted []config.Listen, matches []*Listener) (opened []*Listener, err error) {
	if opened, err = s.activate(wanted, matches); err != nil {
		return opened, err
	}
	for i, w := range wanted {
		if matches[i] != nil {
			continue
		}
		l, err := bind(w, s.siblings)
		if err != nil {
			return opened, err
		}
		matches[i], opened = l, append(opened, l)
	}
	return opened, s.keepAll(opened)
}

// keepAll gives all listeners to the keeper, or none.
func (s *Set) keepAll(opened []*Listener) error {
	for i, l := range opened {
		if err := s.keep(l); err != nil {
			for _, kept := range opened[:i] {
				s.dropFile(kept)
			}
			return err
		}
	}
	return nil
}

// match finds for each wanted listener the present one with its address, nil if there is
// none. Of several on port 0 it takes the one with the same name first.
func match(wanted []config.Listen, held []*Listener) []*Listener {
	found := make([]*Listener, len(wanted))
	held = slices.Clone(held)
	for _, sameName := range []bool{true, false} {
		for i, w := range wanted {
			j := slices.IndexFunc(held, func(l *Listener) bool {
				return l.SameSocket(w) && (l.Name == w.Name || !sameName)
			})
			if found[i] == nil && j >= 0 {
				found[i] = held[j]
				held = slices.Delete(held, j, j+1)
			}
		}
	}
	return found
}

// adjust gives a listener that stays its new name, mode, backlog and blocking mode.
func (s *Set) adjust(l *Listener, w config.Listen) error {
	err := s.admit(l)
	s.replaceFile(l)
	if l.socket != nil && w.Mode != l.Mode && w.Mode != 0 {
		if chmodErr := l.socket.chmod(w.Mode); chmodErr != nil {
			err = errors.Join(err, fmt.Errorf("cannot change the mode of listener %s: %w", w.Name, chmodErr))
		}
	}
	changed := w.Backlog != l.Backlog || w.Blocking != l.Blocking || l.ofProgram
	l.Listen, l.ofProgram = w, false
	if changed {
		err = errors.Join(err, l.Reassert())
	}
	return err
}

func closeAll(listeners []*Listener) (failed error) {
	for _, l := range listeners {
		failed = errors.Join(failed, l.close())
	}
	return failed
}
