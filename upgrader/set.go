package upgrader

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
func (u *Upgrader) Apply(wanted []config.Listen) error {
	u.mu.Lock()
	err := u.apply(wanted)
	end, replaced := u.watch(), u.takeFound()
	u.mu.Unlock()
	end()
	u.tell(replaced)
	return err
}

// apply holds u.mu.
func (u *Upgrader) apply(wanted []config.Listen) error {
	matches := match(wanted, u.all())
	opened, err := u.openMissing(wanted, matches)
	if err != nil {
		return errors.Join(err, closeAll(opened))
	}
	for _, l := range opened {
		u.hangups.add(l)
	}
	before := u.all()
	for i, w := range wanted {
		if l := matches[i]; slices.Contains(before, l) {
			if err := u.adjust(l, w); err != nil {
				u.log.Error("listener is not as configured", "listener", l.Name, "address", l.Address, "err", err)
			}
		}
	}
	u.listeners = matches
	u.retiring = slices.DeleteFunc(before, func(l *Listener) bool { return slices.Contains(matches, l) })
	return nil
}

// openMissing opens the wanted listeners that have no match, and adds them to the
// matches. With an error it returns those that have to be closed again. The keeper gets
// them when all are open.
func (u *Upgrader) openMissing(wanted []config.Listen, matches []*Listener) (opened []*Listener, err error) {
	if opened, err = u.activate(wanted, matches); err != nil {
		return opened, err
	}
	for i, w := range wanted {
		if matches[i] != nil {
			continue
		}
		l, err := bind(w, u.siblings)
		if err != nil {
			return opened, err
		}
		matches[i], opened = l, append(opened, l)
	}
	return opened, u.keepAll(opened)
}

// keepAll gives all listeners to the keeper, or none.
func (u *Upgrader) keepAll(opened []*Listener) error {
	for i, l := range opened {
		if err := u.keep(l); err != nil {
			for _, kept := range opened[:i] {
				u.dropFile(kept)
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

// adjust gives a kept listener what the configuration says of it now.
func (u *Upgrader) adjust(l *Listener, w config.Listen) error {
	err := u.admit(l)
	u.replaceFile(l)
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
