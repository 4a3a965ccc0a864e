package listeners

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// farthest is the highest hop count that a packet can have. Clients start with 64
// or 128.
const farthest = 255

// divert keeps new clients out of a TCP listener without privileges. A second socket on
// the same address, the decoy, gets the first packet of every handshake and drops it,
// because it accepts only packets with the highest hop count (IP_MINTTL). The client
// sends it again, as with a filter. The listener finishes the handshakes that have begun.
// The decoy is closed with its process, so a killed master leaves no listener closed to
// clients.
//
// Clients whose packets do arrive with the highest hop count, and handshakes by SYN
// cookies, are dropped or disconnected.
func (l *Listener) divert() error {
	if l.decoy != nil {
		return nil
	}
	fd := int(l.file.Fd())
	shared, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT)
	if err != nil {
		return err
	}
	if shared != 0 && l.lent && !l.diverted {
		return errors.New("other sockets share its address (ReusePort=)")
	}
	l.diverted = true
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return errors.Join(err, l.admitDiverted())
	}
	if l.decoy, err = openDecoy(fd); err != nil {
		return errors.Join(err, l.admitDiverted())
	}
	return nil
}

// admitDiverted undoes divert. The listener comes first: the program's index then
// names no socket, and the kernel chooses the listener.
func (l *Listener) admitDiverted() error {
	if l.decoy != nil {
		l.decoy.Close()
		l.decoy = nil
	}
	if l.Datagram() || l.Network.IsUnix() || l.lent && !l.diverted || l.seats.used() {
		return nil
	}
	fd := int(l.file.Fd())
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_REUSEPORT_BPF, 0) // there may be none
	l.diverted = false
	if l.siblings {
		return nil // workers' own sockets may be bound beside it
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 0)
}

// openDecoy opens the decoy of a listening socket that has SO_REUSEPORT.
func openDecoy(listener int) (*os.File, error) {
	domain, err := unix.GetsockoptInt(listener, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return nil, err
	}
	address, err := unix.Getsockname(listener)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	decoy := os.NewFile(uintptr(fd), "decoy")
	steps := []func() error{
		func() error { return copyPlace(fd, listener, domain) },
		func() error { return unix.Bind(fd, address) },
		func() error { return unix.Listen(fd, 0) },
		func() error { return chooseSecond(fd) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			decoy.Close()
			return nil, fmt.Errorf("a second socket on its address: %w", err)
		}
	}
	return decoy, nil
}

// copyPlace gives the decoy what decides whose packets a socket gets, and has it
// drop them.
func copyPlace(decoy, listener, domain int) error {
	err := errors.Join(
		unix.SetsockoptInt(decoy, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.SetsockoptInt(decoy, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1),
		unix.SetsockoptInt(decoy, unix.IPPROTO_IP, unix.IP_MINTTL, farthest),
	)
	if domain == unix.AF_INET6 {
		only, getErr := unix.GetsockoptInt(listener, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		err = errors.Join(err, getErr,
			unix.SetsockoptInt(decoy, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only),
			unix.SetsockoptInt(decoy, unix.IPPROTO_IPV6, unix.IPV6_MINHOPCOUNT, farthest))
	}
	device, getErr := unix.GetsockoptString(listener, unix.SOL_SOCKET, unix.SO_BINDTODEVICE)
	if getErr == nil && device != "" {
		err = errors.Join(err, unix.BindToDevice(decoy, device))
	}
	return err
}

// chooseSecond has the kernel give every new client to the second socket of the
// group, which is the decoy: the listener was there first.
func chooseSecond(decoy int) error {
	program := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 1}}
	return unix.SetsockoptSockFprog(decoy, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}
