package upgrader

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
	User        *User          // who makes the file of a Unix socket; nil: this process's
	// First: no worker of an earlier generation serves, so no worker is left without the new
	// socket.
	First bool
}

// bindFor opens a socket for the address that a program binds. It may share the port with
// another address of this app, because the next release may bind 0.0.0.0 where the
// present one binds localhost. It holds u.mu.
func (u *Upgrader) bindFor(w config.Listen, p Program) (l *Listener, err error) {
	switch {
	case w.Network.IsUnix() && !w.Abstract():
		err = p.User.do(func() (err error) { l, err = bindHeld(w); return err })
	case u.siblings && w.IsTCP() && isTaken(w) && u.hasPort(w):
		l, err = openSocket(w, true)
	default:
		l, err = bind(w, u.siblings)
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
func (u *Upgrader) Lend(l *Listener, p Program) (lost []error, err error) {
	u.mu.Lock()
	if l.ofProgram && !l.seats.used() {
		lost = l.setOptions(p.Options)
	}
	l.shared = l.shared || l.borrower != "" && l.borrower != p.Worker
	if l.borrower == "" {
		l.borrower = p.Worker
	}
	if l.socket != nil {
		err = u.keepPath(l, p)
	}
	replaced := u.takeFound()
	u.mu.Unlock()
	u.tell(replaced)
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
// serve there. It holds u.mu.
func (u *Upgrader) keepPath(l *Listener, p Program) error {
	if l.socket.held == "" {
		if err := u.holdConfigured(l, p); err != nil {
			return err
		}
	}
	switch l.socket.file() {
	case fileTaken:
		return fmt.Errorf("cannot give a program %s: %w: another file is there", l.Listen, syscall.EADDRINUSE)
	case fileGone:
		if err := l.socket.restore(); err != nil {
			return fmt.Errorf("cannot give a program %s: %w", l.Listen, err)
		}
	}
	l.socket.guarded = l.socket.guarded || l.shared || !l.ofProgram
	u.guardPath(l)
	return nil
}

// holdConfigured makes a listener of the configuration, which the program binds, one that
// outlives its path. The first program may have removed that already.
func (u *Upgrader) holdConfigured(l *Listener, p Program) (err error) {
	if l.socket.file() == fileGone && p.First {
		if err = u.renew(l); err == nil {
			err = l.Reassert()
		}
	} else {
		u.replaceFile(l)
	}
	if err == nil {
		err = l.socket.hold()
	}
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrExist) {
		err = fmt.Errorf("%w: %w", syscall.EADDRINUSE, err)
	}
	if err != nil {
		return fmt.Errorf("cannot give a program %s: %w", l.Listen, err)
	}
	return nil
}

// Lent says whether programs have bound the listener, so that it, or a seat beside it, has
// taken the place of their own.
func (u *Upgrader) Lent(l *Listener) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return l.borrower != ""
}

// Shared says whether programs of several workers have bound the listener.
func (u *Upgrader) Shared(l *Listener) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return l.shared
}

// Abandoned says whether a worker was the only one that has bound a Unix socket, and its
// path was removed.
func (u *Upgrader) Abandoned(l *Listener, worker string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := l.socket
	return s != nil && s.held != "" && !s.guarded && !s.hidden && l.borrower == worker && s.file() != filePresent
}

// Even says whether workers have sockets of their own at the listener.
func (l *Listener) Even() bool { return l.seats.even() }
