package ipc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// NotifyServer receives the datagrams of all workers of a master.
type NotifyServer struct {
	conn        *net.UnixConn
	path        string
	senders     senders
	descriptors *closer
	serving     sync.Mutex // held by Serve
}

// ListenNotify binds the socket at path. The caller holds the lock of the app, so a socket that is
// there already belongs to a dead master.
func ListenNotify(path string) (*NotifyServer, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot replace the notify socket: %w", err)
	}
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error // before bind(2) makes the file, so that its mode is never too open
		err := raw.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), 0o600) })
		return errors.Join(err, failed)
	}}
	conn, err := lc.ListenPacket(context.Background(), "unixgram", path)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for the workers' notifications: %w", err)
	}
	s := newNotifyServer(conn.(*net.UnixConn), path)
	err = os.Chmod(path, 0o600) // the umask may have removed bits
	if err == nil {
		err = s.passCredentials()
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("cannot prepare the notify socket: %w", err)
	}
	return s, nil
}

func newNotifyServer(conn *net.UnixConn, path string) *NotifyServer {
	return &NotifyServer{
		conn: conn, path: path, senders: senders{byPID: map[int]*sender{}},
		descriptors: newCloser(func(accept bool) error { return acceptDescriptors(conn, accept) }),
	}
}

// TakeOverNotify serves the notify socket of the previous master, which it takes over.
// Datagrams that were sent meanwhile wait in the socket.
func TakeOverNotify(path string, socket *os.File) (*NotifyServer, error) {
	defer socket.Close()
	conn, err := net.FilePacketConn(socket)
	if err != nil {
		return nil, fmt.Errorf("cannot take over the notify socket: %w", err)
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, fmt.Errorf("cannot take over the notify socket: it is a %s socket", conn.LocalAddr().Network())
	}
	return newNotifyServer(unixConn, path), nil
}

// File returns a copy of the socket, for another master.
func (s *NotifyServer) File() (*os.File, error) { return s.conn.File() }

// Pause ends Serve and leaves the socket open: datagrams wait in it for the next Serve, of this
// server or of one that takes the socket over.
func (s *NotifyServer) Pause() error { return s.conn.SetReadDeadline(time.Unix(1, 0)) }

// Resume allows Serve again.
func (s *NotifyServer) Resume() error { return s.conn.SetReadDeadline(time.Time{}) }

// OnFlood has tell called for each process that sends more than 200 datagrams a second, or 1,000 at
// once, by the goroutine that calls deliver. What it sends beyond that is dropped, except READY=1
// and STOPPING=1. It must be called before Serve.
func (s *NotifyServer) OnFlood(tell func(Sender, Flood)) { s.senders.tell = tell }

// OnSlowClose makes the server call tell for a process that keeps sending descriptors while one of its own
// has not closed for a second, by the goroutine that calls deliver. It must be called before Serve.
func (s *NotifyServer) OnSlowClose(tell func(Sender)) { s.descriptors.slow = tell }

// GiveTo makes a user the owner of the socket: from then on only processes of this user and of root
// may send to it, and, if also is not negative, those of that group. They must be able to enter its
// directory.
func (s *NotifyServer) GiveTo(uid, also int) error {
	// A sender that may send before and after the change may send at every moment of it.
	steps := []func() error{
		func() error { return os.Chown(s.path, uid, 0) }, func() error { return os.Chmod(s.path, 0o600) },
	}
	if also >= 0 {
		steps = []func() error{
			func() error { return os.Chmod(s.path, 0o620) }, func() error { return os.Chown(s.path, uid, also) },
		}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("cannot give the notify socket to user %d: %w", uid, err)
		}
	}
	return nil
}

func (s *NotifyServer) passCredentials() error {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	})
	return errors.Join(err, failed)
}

// Serve passes each datagram to deliver until Close or Pause; then it returns nil. It closes
// descriptors that came along after deliver has returned: this keeps the promise of BARRIER=1, that
// all earlier notifications were handled.
func (s *NotifyServer) Serve(deliver func(Sender, Notification)) error {
	s.serving.Lock()
	defer s.serving.Unlock()
	data, oob := make([]byte, 8<<10), make([]byte, 4<<10)
	for {
		room := oob
		if s.descriptors.full() {
			room = oob[:unix.CmsgSpace(unix.SizeofUcred)]
		}
		n, oobn, flags, _, err := s.conn.ReadMsgUnix(data, room)
		if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot read the workers' notifications: %w", err)
		}
		datagram := data[:n]
		if flags&unix.MSG_TRUNC != 0 {
			// The last assignment is cut off and may read as something else.
			datagram = datagram[:bytes.LastIndexByte(datagram, '\n')+1]
		}
		sender, fds := control(oob[:oobn])
		if s.senders.admit(sender, datagram, time.Now()) {
			deliver(sender, ParseNotification(datagram))
		}
		s.descriptors.take(sender, fds)
	}
}

func control(oob []byte) (sender Sender, fds []int) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return Sender{}, nil
	}
	for _, m := range messages {
		if cred, err := unix.ParseUnixCredentials(&m); err == nil {
			sender = Sender{PID: int(cred.Pid), UID: int(cred.Uid)}
		}
		if m.Header.Level == syscall.SOL_SOCKET && m.Header.Type == syscall.SCM_RIGHTS {
			if got, err := unix.ParseUnixRights(&m); err == nil {
				fds = append(fds, got...)
			}
		}
	}
	return sender, fds
}

// Close ends Serve and removes the socket.
func (s *NotifyServer) Close() error {
	err := os.Remove(s.path)
	s.Pause()
	s.serving.Lock()
	defer s.serving.Unlock()
	return errors.Join(err, s.empty(), s.conn.Close())
}

// empty receives what is left in the socket: close(2) of a socket also closes the descriptors that
// wait in it, which may take long.
func (s *NotifyServer) empty() error {
	raw, err := s.conn.SyscallConn()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	if err != nil {
		return err
	}
	data, oob := make([]byte, 1), make([]byte, 4<<10)
	err = raw.Control(func(fd uintptr) {
		unix.Shutdown(int(fd), unix.SHUT_RD) // nothing more arrives
		for {
			_, oobn, _, _, err := unix.Recvmsg(int(fd), data, oob, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
			if err != nil || oobn == 0 {
				return
			}
			sender, fds := control(oob[:oobn])
			s.descriptors.take(sender, fds)
		}
	})
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
