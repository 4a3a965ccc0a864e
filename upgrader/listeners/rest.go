package listeners

import (
	"errors"
	"os"
	"slices"
	"syscall"
)

// Rest is called when all workers leave and none are to follow until a client comes, and with
// false if that has changed: seats.Group.Rest.
func (s *Set) Rest(on bool) (failed error) {
	for _, l := range s.held() {
		failed = errors.Join(failed, l.seats.rest(on))
		if on {
			s.keepPathAlone(l)
		}
	}
	return failed
}

// keepPathAlone keeps the path of a Unix socket that one program has bound, and that it removes
// when it ends.
func (s *Set) keepPathAlone(l *Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.socket != nil && l.socket.held != "" {
		l.socket.guarded = true
		s.guardPath(l)
	}
}

func (s *seating) rest(on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.group == nil {
		return nil
	}
	return s.group.Rest(on)
}

// held are all listeners, those included that only an older generation uses.
func (s *Set) held() []*Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all())
}

// Inodes are those of the listeners, and of the workers' own sockets there.
func (s *Set) Inodes() map[uint64]bool {
	inodes := map[uint64]bool{}
	for _, l := range s.held() {
		inodes[l.Inode()] = true
		for _, seat := range l.seats.files() {
			inodes[inodeNumber(seat)] = true
		}
	}
	return inodes
}

// Inode is that of the socket.
func (l *Listener) Inode() uint64 { return inodeNumber(l.file) }

// inodeNumber is 0 of a socket that is closed.
func inodeNumber(socket *os.File) uint64 {
	info, err := socket.Stat()
	if err != nil {
		return 0
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return stat.Ino
}
