package listeners

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
)

// heldPath is a second link to the file of a Unix socket. Programs remove the path of a
// socket before they bind it, and when they end. The kernel finds a socket by its inode,
// so the second link can restore the path for the same socket.
type heldPath struct {
	held    string // where the second link lies; empty: there is none
	guarded bool   // the path is restored whenever it was removed: several workers serve there
}

// heldSuffix makes the name of the second link.
const heldSuffix = "~held"

// pathAttempts is how often relevo tries to restore a path that other workers remove at
// the same time.
const pathAttempts = 20

// bindHeld binds a Unix socket for a program, as the user that this thread acts for. It
// fails if the path exists, as the program's own bind would.
func bindHeld(w config.Listen) (*Listener, error) {
	var file *os.File
	var err error
	for range pathAttempts {
		if file, err = bindVacant(w); err != nil {
			if errors.Is(err, fs.ErrNotExist) { // removed before its mode was set
				continue
			}
			break
		}
		socket := &unixSocket{path: w.Address}
		if err = socket.hold(); err == nil {
			return &Listener{Listen: w, Address: w.Address, file: file, socket: socket}, nil
		}
		file.Close()
		if !errors.Is(err, fs.ErrNotExist) { // another worker has just removed the path
			removeSocket(w.Address)
			break
		}
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		err = syscall.EADDRINUSE
	}
	return nil, fmt.Errorf("cannot listen on %s: %w", w, err)
}

// hold makes the second link, and removes one that a dead master has left.
func (s *unixSocket) hold() error {
	held := s.path + heldSuffix
	err := os.Link(s.path, held)
	if errors.Is(err, fs.ErrExist) {
		there, known := identify(held)
		if now, ours := identify(s.path); known == nil && ours == nil && now.same(there) {
			err = nil
		} else if err = checkVacant(held); err == nil {
			if err = os.Remove(held); err == nil || errors.Is(err, fs.ErrNotExist) {
				err = os.Link(s.path, held)
			}
		}
	}
	if err != nil {
		return err
	}
	now, err := identify(held)
	if err != nil {
		return err
	}
	s.dev, s.ino, s.mode, s.held = now.dev, now.ino, now.mode, held
	return nil
}

// restore makes the path again.
func (s *unixSocket) restore() error {
	return s.user.do(func() error {
		err := os.Link(s.held, s.path)
		if errors.Is(err, fs.ErrExist) && s.file() == filePresent {
			return nil // a worker has made it meanwhile
		}
		return err
	})
}

// removeBoth removes the path and the second link, as far as they are still this socket's.
func (s *unixSocket) removeBoth() (failed error) {
	for _, path := range []string{s.path, s.held} {
		if now, err := identify(path); err != nil || !now.same(s) {
			continue
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// guardPath watches the path of a guarded socket. It holds s.mu.
func (s *Set) guardPath(l *Listener) {
	if l.socket == nil || !l.socket.guarded {
		return
	}
	if s.paths == nil {
		var err error
		if s.paths, err = watchPaths(s.restorePaths); err != nil {
			s.log.Warn("the path of a Unix socket that a program removes is restored late", "listener", l.Name, "err", err)
			return
		}
	}
	if err := s.paths.add(l.socket.held); err != nil {
		s.log.Warn("the path of a Unix socket that a program removes is restored late", "listener", l.Name, "err", err)
	}
}

// The kernel reports that a file has one link less a moment before the path is gone (vfs_unlink
// notifies, and then removes the name from its cache of names). So a path of a socket that has
// no other link than the second one is looked at again.
const (
	vanishingLooks = 100
	vanishingPause = time.Millisecond
)

// restorePaths looks at all guarded sockets, after one of them has lost a link.
func (s *Set) restorePaths() {
	for range vanishingLooks {
		if !s.restoreGuarded() {
			return
		}
		time.Sleep(vanishingPause)
	}
}

// restoreGuarded returns whether a path was removed that was still seen, and not made again.
func (s *Set) restoreGuarded() (vanishing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.all() {
		s.restorePath(l)
		if at := l.socket; at != nil && at.guarded && !at.hidden && l.standing == open && at.file() != fileTaken {
			vanishing = vanishing || at.links() == 1
		}
	}
	return vanishing
}

// links returns how many links the socket's file has, 0 if that cannot be told.
func (s *unixSocket) links() uint64 {
	var held unix.Stat_t
	if unix.Lstat(s.held, &held) != nil {
		return 0
	}
	return uint64(held.Nlink)
}

// restorePath makes a path again that a program has removed. A file that another program
// has put there stays. It holds s.mu.
func (s *Set) restorePath(l *Listener) {
	if at := l.socket; at == nil || !at.guarded || l.standing != open || at.file() != fileGone {
		return
	}
	err := l.socket.restore()
	if err != nil && err.Error() != l.broken {
		s.log.Error("the path of a Unix socket cannot be restored", "listener", l.Name, "address", l.Address, "err", err)
		l.broken = err.Error()
	}
}
