package listeners

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
)

// Listener is a listening socket that this master holds. Name, Mode, Backlog and
// Blocking change in Apply only.
type Listener struct {
	config.Listen
	Address string // as getsockname says it; :0 is resolved once and for all
	file    *os.File
	seats   seating     // sockets of workers' own beside file
	socket  *unixSocket // nil unless it is one that this master has bound
	lent    bool        // the service manager owns the socket and keeps it when this master ends

	// ofProgram: a program has bound it. The program decides whether it blocks, and how long
	// the queue of a Unix socket is.
	ofProgram bool
	borrower  string // the first worker whose program got the socket instead of its own; empty: none
	shared    bool   // programs of several workers got it

	id       int      // unique in the life of the app
	standing standing // under Set.mu, as is all that follows
	queue    int      // what the kernel made of its backlog, 0 where it does not tell
	broken   string   // why it could not be mended, told once
	diverted bool     // SO_REUSEPORT was set by divert
	siblings bool     // SO_REUSEPORT was set before it was bound
	decoy    *os.File // takes new clients in this one's stead, and drops them; nil: none
}

// File is the socket. It is not in the runtime's poller, and non-blocking unless
// configured otherwise. Its Fd method does not change the mode. The Listener owns it.
func (l *Listener) File() *os.File { return l.file }

// Inheritable is a listener as a worker inherits it.
type Inheritable struct {
	Name, Address string
	File          *os.File // stays the Listener's
}

// Inheritable returns what a worker of the present configuration is to inherit.
func (s *Set) Inheritable(l *Listener) Inheritable {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Inheritable{l.Name, l.Address, l.file}
}

// bind opens the socket. It is still blocking on return. With siblings, other sockets
// of this user may be bound to a TCP address beside it (SO_REUSEPORT): workers' own.
func bind(w config.Listen, siblings bool) (*Listener, error) {
	if siblings && w.IsTCP() && isTaken(w) {
		return nil, explain(syscall.EADDRINUSE, w)
	}
	return openSocket(w, siblings)
}

// openSocket is bind that may open a TCP socket beside another one of this user's.
func openSocket(w config.Listen, siblings bool) (*Listener, error) {
	if w.Abstract() {
		return bindAbstract(w)
	}
	if w.Network.IsUnix() {
		return bindUnix(w)
	}
	lc := net.ListenConfig{Control: func(network, _ string, raw syscall.RawConn) error {
		return setOptions(raw, w, siblings && !w.Datagram())
	}}
	// MPTCP, Go's default since 1.24, is slower and refuses socket options.
	lc.SetMultipathTCP(false)
	chosen := w
	address, unreserve := choosePort(w)
	chosen.Address = address
	conn, address, err := listen(lc, chosen)
	unreserve()
	if err != nil {
		return nil, explain(err, w)
	}
	defer conn.Close()
	file, err := unpolledCopy(conn, w.Name)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", w, err)
	}
	return &Listener{Listen: w, Address: address, file: file, siblings: siblings && !w.Datagram()}, nil
}

// socketConn is what net's listeners and packet connections have in common.
type socketConn interface {
	syscall.Conn
	Close() error
}

func listen(lc net.ListenConfig, w config.Listen) (conn socketConn, address string, err error) {
	if w.Datagram() {
		packet, err := lc.ListenPacket(context.Background(), w.SocketNetwork(), w.Address)
		if err != nil {
			return nil, "", err
		}
		return packet.(*net.UDPConn), packet.LocalAddr().String(), nil
	}
	listener, err := lc.Listen(context.Background(), w.SocketNetwork(), w.Address)
	if err != nil {
		return nil, "", err
	}
	return listener.(*net.TCPListener), listener.Addr().String(), nil
}

// setOptions runs between socket(2) and bind(2). A tcp6 or udp6 socket takes
// IPv6 only.
func setOptions(raw syscall.RawConn, w config.Listen, siblings bool) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		if w.Network == config.TCP6 || w.Network == config.UDP6 {
			failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
		}
		if siblings {
			failed = errors.Join(failed, unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
		}
	})
	return errors.Join(err, failed)
}

// unpolledCopy copies a socket's descriptor into a File outside of the runtime's poller.
// os.NewFile polls what is non-blocking, so the socket is made blocking first; no other
// process has it yet.
func unpolledCopy(conn syscall.Conn, name string) (*os.File, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var file *os.File
	var failed error
	err = raw.Control(func(fd uintptr) {
		var copied int
		if copied, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); failed != nil {
			return
		}
		if failed = unix.SetNonblock(copied, false); failed != nil {
			unix.Close(copied)
			return
		}
		file = os.NewFile(uintptr(copied), name)
	})
	return file, errors.Join(err, failed)
}

func (l *Listener) backlog() int {
	if l.Backlog > 0 {
		return l.Backlog
	}
	return maxBacklog()
}

// close removes the file of a Unix socket first: while the socket is open, no other file
// can have its inode number.
func (l *Listener) close() error {
	l.standing = closed
	err := l.seats.close()
	if l.socket != nil {
		err = errors.Join(err, l.socket.remove())
	}
	if l.lent {
		err = dropNone(l) // the service manager's must not stay closed to clients
	} else {
		err = errors.Join(err, l.admitDiverted())
	}
	return errors.Join(err, l.closeFile())
}

// slowClose bounds the wait for the close of a Unix socket. Clients that were not
// accepted may have sent descriptors. The kernel closes those with the socket, and that
// can take as long as the clients like.
const slowClose = time.Second

func (l *Listener) closeFile() error {
	if !l.Network.IsUnix() {
		return l.file.Close()
	}
	closed := make(chan error, 1)
	go func() { closed <- l.file.Close() }()
	patience := time.NewTimer(slowClose)
	defer patience.Stop()
	select {
	case err := <-closed:
		return err
	case <-patience.C:
		return nil // it is closed, and its clients are gone when theirs are
	}
}

// InUseError says that another process has the address.
type InUseError struct {
	Listen config.Listen

	look sync.Once // all processes are looked at, which takes a while
	pid  int
	name string
}

// Holder is the process that has the address now, and what it is called; 0 and empty where
// that is not known.
func (e *InUseError) Holder() (pid int, name string) {
	e.look.Do(func() { e.pid, e.name = portHolder(e.Listen) })
	return e.pid, e.name
}

func (e *InUseError) Error() string {
	holder := "find the process with: ss -ltnup"
	if _, name := e.Holder(); name != "" {
		holder = "it is held by " + name
	}
	return fmt.Sprintf("cannot listen on %s: %v; %s", e.Listen, syscall.EADDRINUSE, holder)
}

func (e *InUseError) Unwrap() error { return syscall.EADDRINUSE }

// explain adds to the kernel's error what the user can do about it.
func explain(err error, w config.Listen) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return &InUseError{Listen: w}
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("cannot listen on %s: %w; ports below %d need root, "+
			"CAP_NET_BIND_SERVICE (AmbientCapabilities= in a unit), or a lower net.ipv4.ip_unprivileged_port_start",
			w, syscall.EACCES, unprivilegedPortStart())
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("cannot listen on %s: no interface of this machine has that address (%w)", w, syscall.EADDRNOTAVAIL)
	case errors.Is(err, syscall.EAFNOSUPPORT):
		return fmt.Errorf("cannot listen on %s: this kernel does not support that address family (%w)", w,
			syscall.EAFNOSUPPORT)
	}
	return fmt.Errorf("cannot listen on %s: %w", w, err)
}
