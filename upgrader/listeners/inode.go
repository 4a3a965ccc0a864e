package listeners

import (
	"os"
	"syscall"
)

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
