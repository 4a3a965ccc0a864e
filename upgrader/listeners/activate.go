package listeners

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
)

// Socket is an open socket that the service manager holds and has passed to this
// process (socket activation).
type Socket struct {
	Name string // FileDescriptorName= of its unit
	FD   int    // the Set's from Activate on
	// Own: a previous master opened the socket, and the manager only kept it. It is treated
	// like a socket that is opened now, and closed if the configuration does not have it.
	Own bool
}

// Activate makes the next Apply use these sockets instead of opening new ones: for each
// wanted listener the socket with its address, or else the one with its name. That Apply
// fails if a socket is left over. The sockets still belong to the manager: they are never
// shut down, and the files of Unix sockets are never removed.
func (s *Set) Activate(sockets []Socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lent = sockets
}

// activate fills in for which wanted listeners there are sockets of the manager.
// It holds s.mu.
func (s *Set) activate(wanted []config.Listen, matches []*Listener) (added []*Listener, err error) {
	sockets := s.lent
	s.lent = nil
	ends := make([]endpoint, len(sockets))
	for i, socket := range sockets {
		if ends[i], err = describe(socket.FD); err != nil {
			return nil, fmt.Errorf("cannot use the socket %q of the service manager: %w", socket.Name, err)
		}
	}
	for i, at := range assign(wanted, matches, sockets, ends) {
		if sockets[i].Own && (at < 0 || ends[i].lost()) {
			unix.Close(sockets[i].FD)
			continue
		}
		if at < 0 {
			return added, unclaimed(sockets[i], ends[i], wanted)
		}
		file, err := Unpolled(sockets[i].FD, wanted[at].Name)
		if err != nil {
			return added, fmt.Errorf("cannot use the socket %q of the service manager: %w", sockets[i].Name, err)
		}
		l := &Listener{Listen: wanted[at], Address: ends[i].address, file: file, lent: !sockets[i].Own}
		if l.Network == config.Unix && sockets[i].Own && !l.Abstract() {
			if l.socket, err = identify(ends[i].address); err != nil {
				return added, fmt.Errorf("cannot use the socket %q of the previous master: %w", sockets[i].Name, err)
			}
		}
		matches[at], added = l, append(added, l)
		if err := dropNone(l); err != nil { // of a master that was killed in a roll
			return added, fmt.Errorf("cannot use the socket %q of the service manager: %w", sockets[i].Name, err)
		}
	}
	return added, nil
}

// endpoint is what a socket says of itself.
type endpoint struct {
	datagram, unix bool
	address        string         // host:port, or a path
	ip             netip.AddrPort // of one that is not unix
	only6          bool
}

// assign finds the wanted listener for each socket, -1 if there is none: first by
// address, then by name and kind.
func assign(wanted []config.Listen, matches []*Listener, sockets []Socket, ends []endpoint) []int {
	found := make([]int, len(sockets))
	taken := make([]bool, len(wanted))
	for i := range matches {
		taken[i] = matches[i] != nil
	}
	for i := range found {
		found[i] = -1
	}
	claim := func(fits func(socket, want int) bool) {
		for i := range sockets {
			for at := range wanted {
				if found[i] < 0 && !taken[at] && fits(i, at) {
					found[i], taken[at] = at, true
				}
			}
		}
	}
	claim(func(i, at int) bool { return ends[i].is(wanted[at]) && sockets[i].Name == wanted[at].Name })
	claim(func(i, at int) bool { return ends[i].is(wanted[at]) })
	claim(func(i, at int) bool {
		return ends[i].datagram == wanted[at].Datagram() && ends[i].unix == (wanted[at].Network == config.Unix) &&
			sockets[i].Name == wanted[at].Name
	})
	return found
}

// is says whether the socket has the wanted address. A listener on port 0 is matched only
// by its name.
func (e endpoint) is(w config.Listen) bool {
	if e.datagram != w.Datagram() || e.unix != (w.Network == config.Unix) {
		return false
	}
	if e.unix {
		return w.Address == e.address || !w.Abstract() && filepath.Clean(w.Address) == e.address
	}
	host, port, err := net.SplitHostPort(w.Address)
	if err != nil || port != fmt.Sprint(e.ip.Port()) {
		return false
	}
	four := strings.HasSuffix(string(w.Network), "4")
	six := strings.HasSuffix(string(w.Network), "6")
	switch {
	case host == "" && four:
		host = "0.0.0.0"
	case host == "":
		return e.ip.Addr() == netip.IPv6Unspecified() && e.only6 == six
	case host == "localhost" && six:
		host = "::1"
	case host == "localhost":
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap() == e.ip.Addr().Unmap()
}

// lost says whether the file of a Unix socket is gone: clients need a new one.
func (e endpoint) lost() bool {
	if !e.unix || strings.HasPrefix(e.address, "@") {
		return false
	}
	info, err := os.Lstat(e.address)
	return errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().Type() != fs.ModeSocket
}

func (e endpoint) String() string {
	switch {
	case e.unix:
		return "unix:" + e.address
	case e.datagram:
		return "udp:" + e.address
	}
	return e.address
}

// ErrUnclaimed is returned by Apply if the service manager has passed a socket that the
// configuration does not have.
var ErrUnclaimed = errors.New("no listener of this configuration")

// unclaimed names the socket and what there is in its stead.
func unclaimed(s Socket, e endpoint, wanted []config.Listen) error {
	var all []string
	for _, w := range wanted {
		all = append(all, w.Name+"="+w.String())
	}
	if len(all) == 0 {
		all = []string{"none"}
	}
	return fmt.Errorf("cannot use the socket %q (%s): %w has its address or its name (%s); add a listener %s=%s, "+
		"or take the socket out of its .socket unit",
		s.Name, e, ErrUnclaimed, strings.Join(all, ", "), s.Name, e)
}
