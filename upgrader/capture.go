package upgrader

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"relevo/config"
	"relevo/internal/capture"
)

// Add opens one more socket beside those of the configuration, for an address that a
// program binds. One that has the address already is returned, and brought back if
// it was to leave. The next Set takes it away unless it names it.
func (u *Upgrader) Add(w config.Listen) (*Listener, error) {
	u.mu.Lock()
	l, err := u.add(w)
	end := u.watch()
	u.mu.Unlock()
	end()
	return l, err
}

// add holds u.mu.
func (u *Upgrader) add(w config.Listen) (*Listener, error) {
	if l := match([]config.Listen{w}, u.all())[0]; l != nil {
		if i := slices.Index(u.leaving, l); i >= 0 {
			u.leaving = slices.Delete(u.leaving, i, i+1)
			u.listeners = append(u.listeners, l)
		}
		return l, u.admit(l)
	}
	w.Name = u.freeName(w.Name)
	l, err := bind(w)
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

// freeName makes a name unique among the listeners.
func (u *Upgrader) freeName(wanted string) string {
	name := wanted
	for n := 2; slices.ContainsFunc(u.all(), func(l *Listener) bool { return l.Name == name }); n++ {
		name = fmt.Sprintf("%s-%d", wanted, n)
	}
	return name
}

// ErrShared is returned by Seat where workers can only share the socket.
var ErrShared = errors.New("upgrader: the socket can only be shared")

func (l *Listener) Seat(worker string, slot int, like capture.Socket) (fd int, err error) {
	return -1, ErrShared
}
func (l *Listener) Accepted(ctx context.Context, worker string) error { return nil }
func (l *Listener) Serve(worker string)                               {}
func (l *Listener) Leave(worker string)                               {}
func (l *Listener) Gone(worker string)                                {}
func (l *Listener) Emptied(worker string) bool                        { return true }
func (l *Listener) Seated(worker string) bool                         { return false }
