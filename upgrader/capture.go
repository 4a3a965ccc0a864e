package upgrader

import (
	"fmt"
	"slices"

	"relevo/internal/config"
)

// Add opens a socket that is not in the configuration, for an address that a program
// binds. If a listener has the address already, Add returns that one, and restores it if
// it was being retired. The next Apply removes the listener unless it names it.
func (u *Upgrader) Add(w config.Listen, p Program) (*Listener, error) {
	u.mu.Lock()
	l, err := u.add(w, p)
	end := u.watch()
	u.mu.Unlock()
	end()
	return l, err
}

// add holds u.mu.
func (u *Upgrader) add(w config.Listen, p Program) (*Listener, error) {
	if l := u.opened(w); l != nil {
		if i := slices.Index(u.retiring, l); i >= 0 {
			u.retiring = slices.Delete(u.retiring, i, i+1)
			u.listeners = append(u.listeners, l)
		}
		return l, u.admit(l)
	}
	w.Name = u.freeName(w.Name)
	l, err := u.bindFor(w, p)
	if err != nil {
		return nil, err
	}
	if err := u.keep(l); err != nil {
		l.close()
		return nil, err
	}
	u.hangups.add(l)
	u.listeners = append(u.listeners, l)
	return l, nil
}

// opened is the listener of an address, nil if there is none. Listeners on port 0 are
// distinguished by their names.
func (u *Upgrader) opened(w config.Listen) *Listener {
	all := u.all()
	if w.AnyPort() {
		all = slices.DeleteFunc(all, func(l *Listener) bool { return l.Name != w.Name })
	}
	return match([]config.Listen{w}, all)[0]
}

// Balance is how workers share a listener of the configuration, empty where that does
// not say.
func (u *Upgrader) Balance(l *Listener) config.Balance {
	u.mu.Lock()
	defer u.mu.Unlock()
	return l.Listen.Balance
}

// freeName makes a name unique among the listeners.
func (u *Upgrader) freeName(wanted string) string {
	name := wanted
	for n := 2; slices.ContainsFunc(u.all(), func(l *Listener) bool { return l.Name == name }); n++ {
		name = fmt.Sprintf("%s-%d", wanted, n)
	}
	return name
}
