package listeners

import "net/netip"

// Stick has each client of the listener go to one slot, by its address, while the worker
// serves there.
func (l *Listener) Stick(worker string) error {
	if group := l.seats.seated(worker); group != nil {
		return group.Stick(worker)
	}
	return nil
}

// Sticky says whether clients stick to slots.
func (l *Listener) Sticky() bool {
	l.seats.mu.Lock()
	defer l.seats.mu.Unlock()
	return l.seats.group != nil && l.seats.group.Sticks()
}

// Try is Serve for a canary: while others serve, it gets no more than a part of all new
// clients, in ten-thousandths. Where it has no socket of its own, it gets as many as others.
func (l *Listener) Try(worker string, inherits bool, part int) error {
	if group := l.seats.seated(worker); group != nil {
		return group.Try(worker, part)
	}
	return l.Serve(worker, inherits)
}

// Admit ends the trial of a canary.
func (l *Listener) Admit(worker string) error {
	if group := l.seats.seated(worker); group != nil {
		return group.Admit(worker)
	}
	return nil
}

// Suspend leads no new client to a worker's own socket while it fails, or again.
func (l *Listener) Suspend(worker string, suspended bool) error {
	if group := l.seats.seated(worker); group != nil {
		return group.Suspend(worker, suspended)
	}
	return nil
}

// MainClient is the client address with the most connections that are open or have just
// ended, and how many of all are from it.
func (l *Listener) MainClient() (address netip.Addr, of, all int) {
	l.seats.mu.Lock()
	group := l.seats.group
	l.seats.mu.Unlock()
	if group == nil {
		return address, 0, 0
	}
	return group.MainClient()
}
