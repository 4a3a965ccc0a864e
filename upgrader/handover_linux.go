package upgrader

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Meeting is a socket at which a process waits for the legacy of a master that has not
// started it.
type Meeting struct {
	path   string
	socket *net.UnixListener
}

// Meet opens the socket, in place of one that a dead process has left.
func Meet(path string) (*Meeting, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot wait for the previous master: %w", err)
	}
	socket, err := net.ListenUnix("unixpacket", &net.UnixAddr{Net: "unixpacket", Name: path})
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot wait for the previous master: %w", err)
	}
	return &Meeting{path: path, socket: socket}, nil
}

// Close removes the socket. Accept returns.
func (m *Meeting) Close() { m.socket.Close() }

// Accept returns the legacy that a master of the same user passes on with HandOver. The Flip
// is its successor from now on.
func (m *Meeting) Accept(f *Flip) (*Received, error) {
	conn, err := m.socket.AcceptUnix()
	if err != nil {
		return nil, fmt.Errorf("cannot wait for the previous master: %w", err)
	}
	defer conn.Close()
	file, err := blockingCopy(conn)
	if err != nil {
		return nil, fmt.Errorf("cannot receive the legacy: %w", err)
	}
	defer file.Close()
	peer, err := ownPeer(file)
	if err != nil {
		return nil, fmt.Errorf("cannot receive the legacy: %w", err)
	}
	pidfd, err := unix.PidfdOpen(int(peer.Pid), 0)
	if err != nil {
		return nil, fmt.Errorf("cannot watch the previous master (pid %d): %w", peer.Pid, err)
	}
	in, err := receive(file)
	if err == nil {
		f.talk, err = in.File(talkFile)
	}
	if err != nil {
		unix.Close(pidfd)
		return nil, err
	}
	f.previous = os.NewFile(uintptr(pidfd), "previous master")
	return in, nil
}

func blockingCopy(conn *net.UnixConn) (*os.File, error) {
	file, err := conn.File()
	if err != nil {
		return nil, err
	}
	return file, unix.SetNonblock(int(file.Fd()), false)
}

// ownPeer is the other end of a socket. It has to be a process of the same user.
func ownPeer(socket *os.File) (*unix.Ucred, error) {
	peer, err := unix.GetsockoptUcred(int(socket.Fd()), unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err == nil && int(peer.Uid) != os.Geteuid() {
		err = fmt.Errorf("user %d is at the other end", peer.Uid)
	}
	return peer, err
}

// HandOver passes the legacy to a process that waits at the socket. It returns the
// successor's pid as Upgrade does.
func (f *Flip) HandOver(to string, l Legacy, patience time.Duration) (pid int, err error) {
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Net: "unixpacket", Name: to})
	if err != nil {
		return 0, fmt.Errorf("cannot reach the next master: %w", err)
	}
	defer conn.Close()
	socket, err := blockingCopy(conn)
	if err != nil {
		return 0, fmt.Errorf("cannot reach the next master: %w", err)
	}
	defer socket.Close()
	if _, err := ownPeer(socket); err != nil {
		return 0, fmt.Errorf("cannot hand over: %w", err)
	}
	files, talk, done, err := l.withTalk()
	if err != nil {
		return 0, err
	}
	defer done()
	giveUp := time.AfterFunc(patience, func() { // the successor's wait ends
		unix.Shutdown(int(socket.Fd()), unix.SHUT_RDWR)
		unix.Shutdown(int(talk.Fd()), unix.SHUT_RDWR)
	})
	err = withFDs(files, func(names []string, fds []int) error { return sendFiles(int(socket.Fd()), names, fds) })
	if err == nil {
		done() // otherwise the copies would hide the end of the next master
		socket.Close()
		conn.Close()
		_, err = fmt.Fscanln(talk, &pid)
	}
	if !giveUp.Stop() && err == nil {
		err = os.ErrDeadlineExceeded // the talk socket is shut down: the successor will not be told to take over
	}
	if err != nil {
		talk.Close()
		return 0, fmt.Errorf("cannot hand over: the next master did not say that it has taken over: %w", err)
	}
	f.talk = talk
	return pid, nil
}

// endPatience is how long a master that has closed its end may take to end.
const endPatience = 5 * time.Second

// previousEnded says whether the master that has handed over has ended.
func (f *Flip) previousEnded() bool {
	if f.previous == nil {
		return true // tableflip has waited for its end
	}
	defer f.previous.Close()
	for deadline := time.Now().Add(endPatience); time.Now().Before(deadline); {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(f.previous.Fd()), Events: unix.POLLIN}},
			int(time.Until(deadline).Milliseconds())+1)
		if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return n > 0
		}
	}
	return false
}
