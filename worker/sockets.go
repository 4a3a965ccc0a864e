package worker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
)

// sockets are the descriptors that the master passed. A descriptor stays untouched until
// the program asks for it: a listener made of it would be in this process's poller, and
// the master would take that as the sign that the worker serves.
type sockets struct {
	mu  sync.Mutex
	all []*socket
}

type socket struct {
	fd     int
	name   string
	stream bool
	addr   net.Addr
	err    error // why it cannot be used
	taken  bool
}

// newSockets describes the descriptors from firstFD on and marks them
// close-on-exec: a child of this process that kept one would hold the port open
// forever.
func newSockets(names []string) *sockets {
	s := &sockets{}
	for i, name := range names {
		k := &socket{fd: firstFD + i, name: name}
		k.stream, k.addr, k.err = describe(k.fd)
		if k.err == nil {
			closeOnExec(k.fd)
		}
		s.all = append(s.all, k)
	}
	return s
}

// listener takes a stream socket. net.FileListener works on a duplicate of the
// descriptor, so the inherited one is closed right away: otherwise closing the
// listener would leave this process a holder of the port.
func (s *sockets) listener(network, nameOrAddr string) (net.Listener, error) {
	k, err := s.take(network, nameOrAddr, true)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(k.fd), k.name)
	defer file.Close()
	ln, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on inherited descriptor %d (%s): %w", k.fd, k, err)
	}
	return ln, nil
}

// packetConn takes a datagram socket.
func (s *sockets) packetConn(network, nameOrAddr string) (net.PacketConn, error) {
	k, err := s.take(network, nameOrAddr, false)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(k.fd), k.name)
	defer file.Close()
	pc, err := net.FilePacketConn(file)
	if err != nil {
		return nil, fmt.Errorf("cannot receive on inherited descriptor %d (%s): %w", k.fd, k, err)
	}
	return pc, nil
}

func (s *sockets) take(network, nameOrAddr string, stream bool) (*socket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.find(network, nameOrAddr, stream)
	if k == nil {
		return nil, fmt.Errorf("cannot listen on %s %q: the master passed %s; name one of these, or add it to "+
			"the master's listeners", network, nameOrAddr, s.list())
	}
	if k.err != nil {
		return nil, fmt.Errorf("cannot listen on %s %q: inherited descriptor %d: %w", network, nameOrAddr, k.fd, k.err)
	}
	if k.taken {
		return nil, fmt.Errorf("cannot listen on %s %q: %s is in use already, by an earlier call in this process", network,
			nameOrAddr, k)
	}
	k.taken = true
	return k, nil
}

// find looks by name, then by address, then for the only one of its kind. Among
// equals it prefers one that is free: systemd gives all sockets of one unit the
// same name.
func (s *sockets) find(network, nameOrAddr string, stream bool) *socket {
	var named, placed, only *socket
	count := 0
	for _, k := range s.all {
		if k.err == nil && k.stream != stream {
			continue
		}
		count++
		only = k
		if k.name != "" && k.name == nameOrAddr && (named == nil || named.taken) {
			named = k
		}
		if k.addr != nil && sameAddr(k.addr, network, nameOrAddr) && (placed == nil || placed.taken) {
			placed = k
		}
	}
	switch {
	case named != nil:
		return named
	case placed != nil:
		return placed
	case count == 1:
		return only
	}
	return nil
}

// closeUnclaimed closes the listeners that the program has not taken. A draining worker
// must hold no listener: if it were the last holder, clients would wait in a queue that
// no process serves, instead of being refused.
func (s *sockets) closeUnclaimed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.all {
		if !k.taken && k.err == nil {
			k.taken = true
			_ = os.NewFile(uintptr(k.fd), k.name).Close()
		}
	}
}

func (s *sockets) list() string {
	if len(s.all) == 0 {
		return "no sockets"
	}
	var parts []string
	for _, k := range s.all {
		parts = append(parts, k.String())
	}
	return strings.Join(parts, ", ")
}

func (k *socket) String() string {
	if k.err != nil {
		return fmt.Sprintf("%q (unusable: %v)", k.name, k.err)
	}
	return fmt.Sprintf("%q %s %s", k.name, k.addr.Network(), k.addr)
}

var errNotSocket = errors.New("not a listening or datagram socket")
