package generations

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"relevo/internal/capture"
	"relevo/internal/config"
	"relevo/internal/launch"
	"relevo/pool"
	"relevo/upgrader/listeners"
)

// maxCaptured bounds the addresses that the programs of one generation get sockets for, because a
// program may bind without end.
const maxCaptured = 64

// serves says whether a bind is that of a server whose socket workers can share. A UDP socket with
// SO_REUSEADDR is usually for multicast, where each program needs its own.
func serves(b capture.Bind) bool {
	const mptcp = 262 // IPPROTO_MPTCP
	switch a := b.Address; {
	case a.Family == syscall.AF_UNIX:
		stream := b.Socket.Type == syscall.SOCK_STREAM || b.Socket.Type == syscall.SOCK_SEQPACKET
		return stream && isPlain(a.Path) && (a.Abstract() || config.CheckSocketPath(a.Path) == nil)
	case b.Socket.Type == syscall.SOCK_STREAM:
		return b.Socket.Protocol == syscall.IPPROTO_TCP || b.Socket.Protocol == mptcp
	case b.Socket.Type == syscall.SOCK_DGRAM && b.Socket.Protocol == syscall.IPPROTO_UDP:
		ip := a.IP.Addr().Unmap()
		return !b.Socket.ReuseAddr && !ip.IsMulticast() && ip != netip.AddrFrom4([4]byte{255, 255, 255, 255})
	}
	return false
}

// isPlain says whether a name can be shown as it is.
func isPlain(name string) bool {
	return utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

// program describes the program that binds, for the set of listeners.
func (c *capturing) program(o pool.Order, b capture.Bind) listeners.Program {
	p := listeners.Program{Worker: o.ID, NonBlocking: b.Socket.NonBlocking, Options: wishes(b.Socket).Set, First: c.first}
	if b.Address.Family == syscall.AF_UNIX {
		p.User = &listeners.User{UID: b.Maker.UID, GID: b.Maker.GID, Groups: b.Maker.Groups}
	} else if b.Socket.Type == syscall.SOCK_STREAM && c.balance != config.BalanceShared {
		p.NonBlocking = true // a shared socket does not follow the program's mode
	}
	return p
}

// borrow returns the listener for a bind; the program is about to get its socket. Lost are options
// of the program's own socket that cannot be set.
func (h *Hold) borrow(b capture.Bind, p listeners.Program) (l *listeners.Listener, lost []error, err error) {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	if l, err = h.find(b, p); err == nil {
		lost, err = h.all.Set.Lend(l, p)
	}
	return l, lost, err
}

// find returns the listener for a bind: that of the configuration with this port, one that a
// sibling has bound, or a new one. The caller holds all.mu.
func (h *Hold) find(b capture.Bind, p listeners.Program) (*listeners.Listener, error) {
	wanted := h.all.inPlaceOf(listenOf(b))
	for i, l := range h.held {
		if same(l, wanted) || (i < h.configured || l.Listen.AnyPort()) && meets(l, b) {
			return l, nil
		}
	}
	if port := b.Address.IP.Port(); b.Address.Family != syscall.AF_UNIX && !capture.MayBind(b.PID, port) {
		return nil, privileged(wanted, port)
	}
	if len(h.held)-h.configured >= maxCaptured {
		return nil, fmt.Errorf("cannot hold more than %d addresses that programs of one generation bind", maxCaptured)
	}
	l, err := h.all.Set.Add(wanted, p)
	if err != nil {
		return nil, err
	}
	h.take(l)
	return l, nil
}

// take adds a listener to those that the generation holds. The caller holds all.mu.
func (h *Hold) take(l *listeners.Listener) {
	if slices.Contains(h.held, l) {
		return
	}
	h.all.holders[l]++
	h.held, h.sockets = append(h.held, l), append(h.sockets, h.all.Set.Inheritable(l))
	h.all.serving = slices.Concat(h.all.serving, []config.Listen{l.Listen})
}

// inPlaceOf returns the listener on all addresses if a program wants to bind only those of IPv4: a
// socket of its own would take over the clients of IPv4 at once, long before the program is known
// to serve. The caller holds mu.
func (l *Sockets) inPlaceOf(wanted config.Listen) config.Listen {
	for _, serving := range l.serving {
		if serving.TakesIPv4Of(wanted) {
			return serving
		}
	}
	return wanted
}

// same says whether a listener is the one that a program asks for. Listeners on any port are
// distinguished by their names.
func same(l *listeners.Listener, wanted config.Listen) bool {
	return l.SameSocket(wanted) && (!wanted.AnyPort() || l.Name == wanted.Name)
}

// privileged says what to do if the user of a program may not bind its port.
func privileged(wanted config.Listen, port uint16) error {
	option := fmt.Sprintf(":%d", port)
	if wanted.Datagram() {
		option = "udp:" + option
	}
	if capture.MayBind(os.Getpid(), port) {
		return forbidden(fmt.Sprintf("cannot open port %d for a program whose user may not: with -l %s relevo opens it", port,
			option))
	}
	return forbidden(fmt.Sprintf("cannot open port %d for a program whose user may not, nor may relevo's: "+
		"start relevo as root, or with CAP_NET_BIND_SERVICE (AmbientCapabilities= in a unit), and -l %s; "+
		"or lower net.ipv4.ip_unprivileged_port_start",
		port, option))
}

// forbidden is EACCES with an explanation.
type forbidden string

func (f forbidden) Error() string { return string(f) }
func (f forbidden) Unwrap() error { return syscall.EACCES }

// meets says whether a bind is for the port of a configured listener: then the listener's address
// counts, whatever address the program binds.
func meets(l *listeners.Listener, b capture.Bind) bool {
	if l.Network.IsUnix() || b.Address.Family == syscall.AF_UNIX || l.Datagram() != (b.Socket.Type == syscall.SOCK_DGRAM) {
		return false
	}
	at, err := netip.ParseAddrPort(l.Address)
	if err != nil || at.Port() != b.Address.IP.Port() {
		return false
	}
	return anyAddress(b) || at.Addr().IsUnspecified() || at.Addr().Unmap() == b.Address.IP.Addr().Unmap()
}

// anyAddress says whether the program leaves the address open: programs that do not care bind all
// addresses, or localhost.
func anyAddress(b capture.Bind) bool {
	ip := b.Address.IP.Addr().Unmap()
	return ip.IsUnspecified() || ip.IsLoopback()
}

// listenOf returns the bind as an entry of the configuration.
func listenOf(b capture.Bind) config.Listen {
	if b.Address.Family == syscall.AF_UNIX {
		return unixListenOf(b)
	}
	port := strconv.Itoa(int(b.Address.IP.Port()))
	l := config.Listen{Name: "port-" + port, Network: config.TCP, Address: b.Address.IP.String()}
	four, six := config.TCP4, config.TCP6
	if b.Socket.Type == syscall.SOCK_DGRAM {
		l.Name, l.Network, four, six = "udp-"+port, config.UDP, config.UDP4, config.UDP6
	}
	if b.Address.IP.Port() == 0 {
		l.Name = anyPortName(b)
	}
	switch {
	case b.Address.Family == syscall.AF_INET:
		l.Network = four
	case b.Socket.V6Only:
		l.Network = six
	}
	return l
}

// anyPortName is unique among the sockets on any port that programs ask for.
func anyPortName(b capture.Bind) string {
	name := "any-port"
	if b.Socket.Type == syscall.SOCK_DGRAM {
		name = "any-udp"
	}
	if host := b.Address.IP.Addr(); host != netip.IPv6Unspecified() {
		name += "-" + strings.NewReplacer(":", "-", ".", "-", "%", "-").Replace(host.String())
	}
	if b.Index > 0 {
		name += "-" + strconv.Itoa(b.Index+1)
	}
	return name
}

func unixListenOf(b capture.Bind) config.Listen {
	l := config.Listen{Network: config.Unix, Address: b.Address.Path}
	if b.Socket.Type == syscall.SOCK_SEQPACKET {
		l.Network = config.UnixPacket
	}
	if !l.Abstract() {
		l.Mode = b.Maker.Mode
	}
	name := []rune("unix-")
	for _, r := range strings.TrimLeft(filepath.Base(l.Address), "@") {
		if config.CheckName("x"+string(r)) != nil {
			r = '-'
		}
		name = append(name, r)
	}
	const longest = 50 // leaves room for a number
	l.Name = string(name[:min(len(name), longest)])
	return l
}

// bound says whether programs have bound addresses that the configuration does not have. A Unix
// socket that only one worker has bound may be private, and does not count.
func (h *Hold) bound() bool {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	return slices.ContainsFunc(h.held[h.configured:], func(l *listeners.Listener) bool {
		return !l.Network.IsUnix() || h.all.Set.Shared(l)
	})
}

// configuredNames are the names of the listeners of the configuration.
func (h *Hold) configuredNames() (names []string) {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	for _, socket := range h.sockets[:h.configured] {
		names = append(names, socket.Name)
	}
	return names
}

// forget closes private sockets of a worker that has ended: only that worker had bound them, and
// has removed their path.
func (h *Hold) forget(worker string) error {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	return h.drop(func(l *listeners.Listener) bool { return h.all.Set.Abandoned(l, worker) })
}

// vacate closes the sockets that every program that had bound them has closed. It waits for binds
// that are being answered.
func (h *Hold) vacate(address string) error {
	h.binding.Lock()
	defer h.binding.Unlock()
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	return h.drop(func(l *listeners.Listener) bool { return l.Address == address && l.Vacant() })
}

// drop closes captured listeners that no other generation holds. The caller holds all.mu.
func (h *Hold) drop(unused func(*listeners.Listener) bool) error {
	for i := len(h.held) - 1; i >= h.configured; i-- {
		l := h.held[i]
		if h.all.holders[l] != 1 || !unused(l) {
			continue
		}
		delete(h.all.holders, l)
		h.held, h.sockets = slices.Delete(h.held, i, i+1), slices.Delete(h.sockets, i, i+1)
		h.all.serving = slices.DeleteFunc(slices.Clone(h.all.serving), func(s config.Listen) bool {
			return s.Network == l.Network && s.Address == l.Listen.Address
		})
		if err := h.all.discard(l); err != nil {
			return err
		}
	}
	return nil
}

// balanceOf says how workers share a listener that their programs have bound; empty: no program
// has.
func (l *Sockets) balanceOf(socket *listeners.Listener) config.Balance {
	switch {
	case socket.Sticky():
		return config.BalanceSticky
	case socket.Even():
		return config.BalanceEven
	case l.Set.Lent(socket):
		return config.BalanceShared
	}
	return ""
}

// shared returns the common socket for a program.
func (c *capturing) shared(l *listeners.Listener, o pool.Order) launch.Grant {
	file, err := c.hold.all.Set.Borrow(l, o.ID)
	if err != nil {
		c.log.Error("a worker shares its socket with one that leaves", "worker", o.ID, "address", l.Address, "err", err)
		file = l.File()
	}
	return launch.Grant{Answer: capture.Answer{FD: int(file.Fd())}, Address: l.Address, File: file, Socket: file}
}
