package listeners

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"relevo/internal/safefile"
)

// queueLength is the most that a TCP listener's accept queue may hold, 0 where
// the kernel does not tell. Of a listening socket tcpi_sacked is
// sk_max_ack_backlog (tcp_get_info in net/ipv4/tcp.c).
func queueLength(l *Listener) int {
	if l.Datagram() || l.socket != nil {
		return 0
	}
	info, err := unix.GetsockoptTCPInfo(int(l.file.Fd()), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0
	}
	return int(info.Sacked)
}

// waiting is how many connections are in a TCP listener's accept queue
// (tcpi_unacked of a listening socket).
func waiting(l *Listener) int {
	info, err := unix.GetsockoptTCPInfo(int(l.file.Fd()), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil || l.Datagram() || l.socket != nil {
		return 0
	}
	return int(info.Unacked)
}

// shutDown says whether a worker called shutdown(2). A Unix socket whose reading
// half alone was shut down shows POLLRDHUP.
func shutDown(l *Listener) bool {
	if l.Datagram() {
		return false
	}
	poll := []unix.PollFd{{Fd: int32(l.file.Fd()), Events: unix.POLLRDHUP}}
	_, err := unix.Poll(poll, 0)
	return err == nil && poll[0].Revents&(unix.POLLHUP|unix.POLLRDHUP) != 0
}

// renew puts a new Unix socket in the place of one that was shut down, which
// listen(2) cannot bring back, or whose file was removed. The new one is renamed
// onto the path, so that a client finds one of the two at any moment, and takes the
// old one's descriptor: a worker that is started with File gets the new one. It
// holds s.mu.
func (s *Set) renew(l *Listener) error {
	err := l.socket.user.do(func() error { return s.renewAsUser(l) })
	if err != nil {
		return fmt.Errorf("cannot renew listener %s: %w", l.Name, err)
	}
	return nil
}

func (s *Set) renewAsUser(l *Listener) error {
	unlock, err := lockDirectory(filepath.Dir(l.socket.path), lockPatienceAtEnd)
	switch held := new(safefile.HeldError); {
	case err == nil:
		defer unlock()
	case !errors.As(err, &held):
		return err
	}
	there := l.socket.file()
	switch {
	case l.socket.hidden:
		return errors.New("the configuration does not have it any more")
	case there == fileTaken:
		return fmt.Errorf("another program has its own file at %s; remove that file and reload", l.socket.path)
	}
	file, err := l.bindAnew(there == fileGone)
	if err != nil {
		return err
	}
	defer file.Close()
	s.hangups.remove(l)
	if err := l.become(file); err != nil {
		return err
	}
	s.guardPath(l)
	s.hangups.add(l)
	s.dropFile(l)
	s.keepFile(l)
	return nil
}

// bindAnew opens a new socket at the path of the old one. It listens before it is there.
func (l *Listener) bindAnew(vacant bool) (*os.File, error) {
	fresh := l.Listen
	fresh.Address = l.socket.path + "~new"
	if fresh.Mode == 0 || l.ofProgram {
		fresh.Mode = l.socket.currentMode()
	}
	file, err := bindAt(fresh)
	if err != nil {
		return nil, err
	}
	move := os.Rename
	if vacant {
		move = moveToVacant
	}
	if err = unix.Listen(int(file.Fd()), l.backlog()); err == nil {
		err = move(fresh.Address, l.socket.path)
	}
	if err != nil {
		os.Remove(fresh.Address)
		file.Close()
		return nil, err
	}
	return file, nil
}

// become gives the listener's descriptor the socket of another one, which is at its path.
func (l *Listener) become(file *os.File) error {
	if flags, err := unix.FcntlInt(l.file.Fd(), unix.F_GETFL, 0); err == nil && l.ofProgram {
		unix.SetNonblock(int(file.Fd()), flags&unix.O_NONBLOCK != 0)
	}
	if err := unix.Dup3(int(file.Fd()), int(l.file.Fd()), unix.O_CLOEXEC); err != nil {
		return err
	}
	socket, err := identify(l.socket.path)
	if err != nil {
		return err
	}
	socket.user = l.socket.user
	if l.socket.held != "" {
		socket.guarded = l.socket.guarded
		if err := socket.hold(); err != nil {
			return err
		}
	}
	l.socket = socket
	return nil
}
