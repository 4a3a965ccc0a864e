package listeners

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
	"relevo/upgrader/listeners/seats"
)

// Program is a worker's program that binds an address, and gets a socket of this master's
// for it.
type Program struct {
	Worker      string
	NonBlocking bool           // as its own socket is
	Options     []seats.Option // of its own socket
	User        *User          // makes the file of a Unix socket; nil: this process's user
	// First: no worker of an earlier generation serves, so no worker is left without the new
	// socket.
	First bool
}

// bindFor opens a socket for the address that a program binds. It may share the port with
// another address of this app, because the next release may bind 0.0.0.0 where the
// present one binds localhost. It holds s.mu.
func (s *Set) bindFor(w config.Listen, p Program) (l *Listener, err error) {
	switch {
	case w.Network.IsUnix() && !w.Abstract():
		err = p.User.do(func() (err error) { l, err = bindHeld(w); return err })
	case s.siblings && w.IsTCP() && isTaken(w) && s.hasPort(w):
		l, err = openSocket(w, true)
	default:
		l, err = bind(w, s.siblings)
	}
	if err != nil {
		return nil, err
	}
	if l.socket != nil {
		l.socket.user = p.User
	}
	if err := unix.SetNonblock(int(l.file.Fd()), p.NonBlocking); err != nil {
		l.close()
		return nil, fmt.Errorf("cannot listen on %s: %w", w, err)
	}
	l.ofProgram = true
	return l, nil
}

// Lend has to be called before the program gets the socket, or a seat beside it. It
// returns the options that it cannot set: the program had set them on its own socket.
func (s *Set) Lend(l *Listener, p Program) (lost []error, err error) {
	s.mu.Lock()
	if l.ofProgram && !l.seats.used() {
		lost = l.setOptions(p.Options)
	}
	l.shared = l.shared || l.borrower != "" && l.borrower != p.Worker
	if l.borrower == "" {
		l.borrower = p.Worker
	}
	if l.socket != nil {
		err = s.keepPath(l, p)
	}
	replaced := s.takeFound()
	s.mu.Unlock()
	s.tell(replaced)
	return lost, err
}

func (l *Listener) setOptions(options []seats.Option) (lost []error) {
	for _, o := range options {
		if err := unix.SetsockoptString(int(l.file.Fd()), o.Level, o.Name, string(o.Value)); err != nil {
			lost = append(lost, fmt.Errorf("cannot set socket option %d of level %d: %w", o.Name, o.Level, err))
		}
	}
	return lost
}

// keepPath restores the path of a Unix socket, and keeps restoring it if several workers
// serve there. It holds s.mu.
func (s *Set) keepPath(l *Listener, p Program) error {
	if l.socket.held == "" {
		if err := s.holdConfigured(l, p); err != nil {
			return err
		}
	}
	switch l.socket.file() {
	case fileTaken:
		return fmt.Errorf("cannot give a program the socket %s: %w: another file is there", l.Listen, syscall.EADDRINUSE)
	case fileGone:
		if err := l.socket.restore(); err != nil {
			return fmt.Errorf("cannot give a program the socket %s: %w", l.Listen, err)
		}
	}
	l.socket.guarded = l.socket.guarded || l.shared || !l.ofProgram
	s.guardPath(l)
	return nil
}

// holdConfigured makes a listener of the configuration, which the program binds, one that
// outlives its path. The first program may have removed that already.
func (s *Set) holdConfigured(l *Listener, p Program) (err error) {
	if l.socket.file() == fileGone && p.First {
		if err = s.renew(l); err == nil {
			err = l.Reassert()
		}
	} else {
		s.replaceFile(l)
	}
	if err == nil {
		err = l.socket.hold()
	}
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrExist) {
		err = fmt.Errorf("%w: %w", syscall.EADDRINUSE, err)
	}
	if err != nil {
		return fmt.Errorf("cannot give a program the socket %s: %w", l.Listen, err)
	}
	return nil
}

// Lent says whether programs have bound the listener, so that it, or a seat beside it, has
// taken the place of their own.
func (s *Set) Lent(l *Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.borrower != ""
}

// Shared says whether programs of several workers have bound the listener.
func (s *Set) Shared(l *Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.shared
}

// Abandoned says whether a worker was the only one that has bound a Unix socket, and its
// path was removed.
func (s *Set) Abandoned(l *Listener, worker string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := l.socket
	return at != nil && at.held != "" && !at.guarded && !at.hidden && l.borrower == worker && at.file() != filePresent
}

// Even says whether workers have sockets of their own at the listener.
func (l *Listener) Even() bool { return l.seats.even() }
