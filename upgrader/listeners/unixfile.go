package listeners

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// fileState is what lies at the path of a Unix socket.
type fileState int

const (
	filePresent fileState = iota // its own file, or that cannot be told
	fileGone
	fileTaken // another program's file
)

// file looks at the path. A hidden socket is not expected there.
func (s *unixSocket) file() fileState {
	now, err := identify(s.path)
	switch {
	case s.hidden:
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return fileGone
	case err == nil && !now.same(s):
		return fileTaken
	}
	return filePresent
}

// currentMode is what a new file in the place of this one is to have.
func (s *unixSocket) currentMode() fs.FileMode {
	if now, err := identify(s.path); err == nil && now.same(s) {
		return now.mode
	}
	return s.mode
}

// chmod leaves the file of another program alone.
func (s *unixSocket) chmod(mode fs.FileMode) error {
	s.mode = mode
	if s.hidden || s.file() != filePresent {
		return nil
	}
	return os.Chmod(s.path, mode)
}

// moveToVacant is a rename that replaces nothing.
func moveToVacant(from, to string) error {
	if err := os.Link(from, to); err != nil {
		return err
	}
	return os.Remove(from)
}

// replaceFile gives a Unix socket that lost its file another one, which takes a new
// socket: the workers that have the old one have to be replaced. A file that another
// program has put there stays. It holds s.mu.
func (s *Set) replaceFile(l *Listener) {
	if l.socket == nil || l.standing != open {
		return
	}
	state := l.socket.file()
	if state == filePresent {
		return
	}
	if l.socket.held != "" {
		s.restorePath(l)
		return
	}
	h := Healed{Listener: l.Name, Address: l.Address, What: "its file was removed", Outside: true, Renewed: true}
	if state == fileTaken {
		h.What = "its file was replaced"
	}
	if h.Err = s.renew(l); h.Err == nil {
		h.Err = l.Reassert()
	}
	if h.Err != nil && h.Err.Error() == l.broken {
		return // told
	}
	if l.broken = ""; h.Err != nil {
		l.broken = h.Err.Error()
	}
	h.At = time.Now()
	s.found = append(s.found, h)
}

// takeFound returns what tell is to be called with, when s.mu is let go.
func (s *Set) takeFound() []Healed {
	found := s.found
	s.found = nil
	return found
}

// Lost says which Unix sockets clients cannot reach, because their file was removed
// or replaced.
func (s *Set) Lost() (problems []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listeners {
		switch l.lost() {
		case fileGone:
			remedy := "a reload makes it again"
			if l.lent {
				remedy = "restart its .socket unit"
			}
			problems = append(problems, fmt.Sprintf("listener %s: the file %s was removed, no client can connect; %s", l.Name,
				l.Address, remedy))
		case fileTaken:
			problems = append(problems,
				fmt.Sprintf("listener %s: another program has put its own file at %s, no client can connect; "+
					"remove that file and reload",
					l.Name, l.Address))
		}
	}
	return problems
}

func (l *Listener) lost() fileState {
	switch {
	case l.standing != open || !l.Network.IsUnix() || l.Abstract():
		return filePresent
	case l.ofProgram && !l.socket.guarded:
		return filePresent // a path that only one program uses is that program's own matter
	case l.socket != nil:
		return l.socket.file()
	}
	// Of the service manager's sockets only the path is known.
	if _, err := os.Lstat(l.Address); filepath.IsAbs(l.Address) && errors.Is(err, fs.ErrNotExist) {
		return fileGone
	}
	return filePresent
}
