package listeners

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// Retire keeps new clients out while workers accept those that are waiting. The first
// packet of a new TCP client is dropped, so that the client sends it again and is served
// after Restore; handshakes under way are finished. A UDP socket gets no more packets. A
// Unix socket loses its path, and new clients are refused.
func (s *Set) Retire(l *Listener) error {
	return s.move(l, "retire", func() error { return s.retire(l) })
}

// Restore undoes Retire, and Park.
func (s *Set) Restore(l *Listener) error {
	return s.move(l, "restore", func() error { return s.admit(l) })
}

// Park refuses clients and keeps the address. Clients that were not accepted yet are
// disconnected, see Waiting. A worker's accept on a TCP listener fails with EINVAL, so
// its workers should have ended.
func (s *Set) Park(l *Listener) error {
	return s.move(l, "park", func() error {
		if l.standing == parked {
			return nil
		}
		l.standing = parked
		if l.Datagram() || l.Network.IsUnix() || l.lent {
			s.block(l)
			return nil
		}
		if err := l.seats.close(); err != nil {
			return err
		}
		// A decoy turns new clients away until the listener is shut down.
		return errors.Join(unix.Shutdown(int(l.file.Fd()), unix.SHUT_RDWR), l.admitDiverted())
	})
}

// Waiting is the number of clients that are connected to a TCP listener and not
// accepted. It is 0 where the kernel does not tell.
func (s *Set) Waiting(l *Listener) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return waiting(l)
}

// CloseListener closes a listener that Apply has removed. A worker that still has it keeps
// the socket; its clients are refused all the same.
func (s *Set) CloseListener(l *Listener) error {
	s.mu.Lock()
	i := slices.Index(s.retiring, l)
	if i < 0 {
		s.mu.Unlock()
		return fmt.Errorf("internal error: cannot close listener %s: it is wanted, or closed", l.Name)
	}
	s.retiring = slices.Delete(s.retiring, i, i+1)
	s.hangups.remove(l)
	if !l.Datagram() && !l.lent {
		unix.Shutdown(int(l.file.Fd()), unix.SHUT_RDWR) // copies live on, a keeper's for one
	}
	s.dropFile(l)
	err := l.close()
	end := s.watch()
	s.mu.Unlock()
	end()
	if err != nil {
		return fmt.Errorf("cannot close listener %s: %w", l.Name, err)
	}
	return nil
}

func (s *Set) move(l *Listener, verb string, do func() error) error {
	s.mu.Lock()
	if l.standing == closed {
		s.mu.Unlock()
		return fmt.Errorf("internal error: cannot %s listener %s: it is closed", verb, l.Name)
	}
	err := do()
	replaced := s.takeFound()
	s.mu.Unlock()
	s.tell(replaced)
	if err != nil {
		return fmt.Errorf("cannot %s listener %s: %w", verb, l.Name, err)
	}
	return nil
}

func (s *Set) retire(l *Listener) error {
	if l.standing != open {
		return nil
	}
	l.standing = retired
	if !l.seats.used() { // while there is a worker with a seat, clients go from one seat to the next
		s.block(l)
	}
	return nil
}

// admit lets clients in again, whatever kept them out.
func (s *Set) admit(l *Listener) error {
	was := l.standing
	if was == open {
		return nil
	}
	if err := l.unblock(); err != nil {
		return err
	}
	l.standing = open
	s.replaceFile(l)
	if was != parked {
		return nil
	}
	if !l.Datagram() && !l.Network.IsUnix() && !l.lent {
		if err := l.forgetShutdown(); err != nil {
			return err
		}
	}
	return l.Reassert()
}

// block keeps new clients out of a socket that keeps listening.
func (s *Set) block(l *Listener) { s.keepOut(l, l.block) }

// keepOut logs once if clients cannot be kept out: the remaining workers keep serving
// them.
func (s *Set) keepOut(l *Listener, block func() error) {
	err := block()
	if err == nil || s.admitsTold {
		return
	}
	s.admitsTold = true
	s.log.Warn("a removed listener takes new clients until its last worker has gone; "+
		"those that come then are disconnected",
		"listener", l.Name, "address", l.Address, "reason", err)
}

func (l *Listener) block() error {
	if l.socket != nil {
		return l.socket.hide()
	}
	if l.Abstract() {
		return errors.New("an abstract Unix socket has no path that could be taken away")
	}
	return dropNew(l)
}

func (l *Listener) unblock() error {
	if l.socket != nil {
		return l.socket.show()
	}
	return dropNone(l)
}
