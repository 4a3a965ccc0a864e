package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Network is the kind of a listening socket, in the words of package net.
type Network string

// The networks. TCP and UDP without a number take IPv4 and IPv6 (dual-stack)
// where the address leaves it open.
const (
	TCP  Network = "tcp"
	TCP4 Network = "tcp4"
	TCP6 Network = "tcp6"
	UDP  Network = "udp"
	UDP4 Network = "udp4"
	UDP6 Network = "udp6"
	Unix Network = "unix"
	// UnixPacket is SOCK_SEQPACKET. No configuration names it; programs bind it.
	UnixPacket Network = "unixpacket"
)

// IsUnix says whether an address of the network is a path or an abstract name.
func (n Network) IsUnix() bool { return n == Unix || n == UnixPacket }

// Listen is one listening socket as the user asked for it.
type Listen struct {
	Name    string // unique in the app; "listen", "listen1", … where not given
	Network Network
	Address string      // host:port, the path of a Unix socket, or @ and its abstract name
	Mode    fs.FileMode // of a Unix socket; 0: as the umask says
	Backlog int         // length of the accept queue; 0: the system's maximum
	// Blocking says that accept and recv wait. It is for programs that call them without
	// poll or epoll. Other programs would hang if another worker took the client.
	Blocking bool
	Balance  Balance // how workers share it if their programs bind it; empty: the app's setting
}

// String returns the listener as it is written for --listen.
func (l Listen) String() string {
	switch l.Network {
	case TCP:
		return l.Address
	default:
		return string(l.Network) + ":" + l.Address
	}
}

// Datagram says whether the socket receives packets instead of connections.
func (l Listen) Datagram() bool { return strings.HasPrefix(string(l.Network), "udp") }

// IsTCP says whether clients come by TCP.
func (l Listen) IsTCP() bool { return !l.Network.IsUnix() && !l.Datagram() }

// AnyPort says whether the kernel chooses the port.
func (l Listen) AnyPort() bool { return l.Network != Unix && strings.HasSuffix(l.Address, ":0") }

// SocketNetwork returns the network of the socket to open, in the words of package net. For an
// IPv4 address it is IPv4, because net itself would open [::] for 0.0.0.0.
func (l Listen) SocketNetwork() string {
	if l.Network != TCP && l.Network != UDP {
		return string(l.Network)
	}
	host, _, err := net.SplitHostPort(l.Address)
	if err != nil {
		return string(l.Network)
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Unmap().Is4() {
		return string(l.Network) + "4"
	}
	return string(l.Network)
}

// Abstract says whether the socket is in the abstract namespace (unix(7)): then it has no
// file, and no mode.
func (l Listen) Abstract() bool { return l.Network.IsUnix() && strings.HasPrefix(l.Address, "@") }

// ParseListen reads [NAME=]ADDR[,mode=0660][,backlog=N][,balance=HOW][,blocking]. ADDR is :PORT,
// HOST:PORT, PORT, unix:/PATH, unix:@NAME (abstract), or one of these after tcp4: tcp6: udp: udp4:
// udp6:.
func ParseListen(text string) (Listen, error) {
	l, err := parseUnanchored(text)
	if err == nil && l.Network == Unix && !l.Abstract() {
		l.Address, err = filepath.Abs(l.Address)
	}
	if err == nil && l.Network == Unix {
		err = l.checkPath()
	}
	if err != nil {
		return Listen{}, err
	}
	return l, nil
}

// parseUnanchored is ParseListen that leaves the path of a Unix socket as it is.
func parseUnanchored(text string) (Listen, error) {
	l, err := parseListen(text)
	if err != nil {
		return Listen{}, fmt.Errorf("cannot listen on %q: %w", text, err)
	}
	return l, nil
}

func (l Listen) checkPath() error {
	if l.Abstract() && len(l.Address) > 1+maxSocketPath {
		return fmt.Errorf("cannot listen on %q: the name has %d bytes, at most %d are possible", l, len(l.Address)-1,
			maxSocketPath)
	}
	if err := CheckSocketPath(l.Address); err != nil && !l.Abstract() {
		return fmt.Errorf("cannot listen on %q: %w", l, err)
	}
	return nil
}

// text returns the listener with its name and options, as --listen would take it.
func (l Listen) text() string {
	text := l.String()
	if l.Name != "" {
		text = l.Name + "=" + text
	}
	if l.Mode != 0 {
		text += fmt.Sprintf(",mode=%04o", uint32(l.Mode))
	}
	if l.Backlog != 0 {
		text += fmt.Sprintf(",backlog=%d", l.Backlog)
	}
	if l.Blocking {
		text += ",blocking"
	}
	if l.Balance != "" {
		text += ",balance=" + string(l.Balance)
	}
	return text
}

func parseListen(text string) (l Listen, err error) {
	address, options, _ := strings.Cut(text, ",")
	if name, rest, named := strings.Cut(address, "="); named && !strings.Contains(name, ":") {
		if err := CheckName(name); err != nil {
			return l, err
		}
		l.Name, address = name, rest
	}
	l.Network, l.Address = splitNetwork(address)
	if l.Network == Unix {
		if l.Address == "" || strings.ContainsRune(l.Address, 0) {
			err = errors.New("the path of the Unix socket is missing (unix:/run/app.sock)")
		} else if l.Address == "@" {
			err = errors.New("the name of the abstract Unix socket is missing (unix:@app)")
		}
	} else {
		l.Address, err = hostPort(l.Network, l.Address)
	}
	if err != nil {
		return l, err
	}
	for option := range strings.SplitSeq(options, ",") {
		if option == "" {
			continue
		}
		key, value, _ := strings.Cut(option, "=")
		if err := l.setOption(key, value); err != nil {
			return l, err
		}
	}
	return l, nil
}

func splitNetwork(address string) (Network, string) {
	prefix, rest, ok := strings.Cut(address, ":")
	networks := []Network{TCP, TCP4, TCP6, UDP, UDP4, UDP6, Unix}
	if ok && slices.Contains(networks, Network(prefix)) {
		return Network(prefix), rest
	}
	return TCP, address
}

// maxSocketPath is the size of sun_path without the closing NUL (unix(7)).
const maxSocketPath = 107

// CheckSocketPath returns an error if a path does not fit into a socket address.
func CheckSocketPath(path string) error {
	if len(path) > maxSocketPath {
		return fmt.Errorf("the path has %d bytes, a Unix socket's may have at most %d; use a shorter directory", len(path),
			maxSocketPath)
	}
	return nil
}

func hostPort(network Network, address string) (string, error) {
	if _, err := strconv.Atoi(address); err == nil {
		address = ":" + address
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", errors.New("an address is :PORT, HOST:PORT, [IPV6]:PORT or unix:/PATH")
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return "", fmt.Errorf("%q is not a port (0 to 65535; 0 lets the kernel choose)", port)
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "" || host == "localhost":
	case err != nil:
		return "", fmt.Errorf("%q is neither an IP address nor localhost; a name may move to another address "+
			"while the socket stays", host)
	case strings.HasSuffix(string(network), "4") && !ip.Is4():
		return "", fmt.Errorf("%s is not an IPv4 address", host)
	case strings.HasSuffix(string(network), "6") && !ip.Is6():
		return "", fmt.Errorf("%s is not an IPv6 address", host)
	}
	return net.JoinHostPort(host, strconv.FormatUint(number, 10)), nil
}

func (l *Listen) setOption(key, value string) error {
	switch key {
	case "mode":
		mode, err := strconv.ParseUint(value, 8, 32)
		if err != nil || mode == 0 || mode > 0o777 {
			return fmt.Errorf("mode=%s is not an octal file mode such as 0660", value)
		}
		if l.Network != Unix {
			return errors.New("mode= is for Unix sockets only")
		}
		if l.Abstract() {
			return errors.New("mode= is for a Unix socket with a path: an abstract one has no file, and every user of this " +
				"machine can connect to it")
		}
		l.Mode = fs.FileMode(mode)
	case "backlog":
		backlog, err := strconv.Atoi(value)
		if err != nil || backlog < 1 {
			return fmt.Errorf("backlog=%s is not a number above 0", value)
		}
		if l.Datagram() {
			return errors.New("backlog= is not for UDP")
		}
		l.Backlog = backlog
	case "blocking":
		switch value {
		case "", "true":
			l.Blocking = true
		case "false":
			l.Blocking = false
		default:
			return fmt.Errorf("blocking=%s is neither true nor false", value)
		}
	case "balance":
		return l.setBalance(value)
	default:
		return fmt.Errorf("unknown option %q (mode=0660, backlog=N, balance=HOW and blocking exist)", key)
	}
	return nil
}

func (l *Listen) setBalance(value string) error {
	how := Balance(value)
	switch how {
	case BalanceAuto, BalanceShared:
	case BalanceEven, BalanceSticky:
		if !l.IsTCP() {
			return fmt.Errorf("balance=%s is for TCP: a Unix socket or UDP is shared by all workers", how)
		}
	default:
		return fmt.Errorf("balance=%s is none of auto, shared, even and sticky", value)
	}
	l.Balance = how
	return nil
}

// NameListeners gives listeners without a name the names listen, listen1, listen2, …
func NameListeners(all []Listen) {
	for i := range all {
		if all[i].Name != "" {
			continue
		}
		all[i].Name = "listen"
		if i > 0 {
			all[i].Name += strconv.Itoa(i)
		}
	}
}

// SameSocket says whether both mean the same socket, even if the address is written in two
// ways: ":80" and "[::]:80", "localhost:80" and "tcp4:127.0.0.1:80".
func (l Listen) SameSocket(other Listen) bool {
	network, address := l.canonical()
	otherNetwork, otherAddress := other.canonical()
	return network == otherNetwork && address == otherAddress
}

func (l Listen) canonical() (network, address string) {
	network = l.SocketNetwork()
	host, port, err := net.SplitHostPort(l.Address)
	if l.Network.IsUnix() || err != nil {
		return network, l.Address
	}
	four, six := strings.HasSuffix(network, "4"), strings.HasSuffix(network, "6")
	switch {
	case host == "" && four:
		host = "0.0.0.0"
	case host == "":
		host = "::"
	case host == "localhost" && six:
		host = "::1"
	case host == "localhost":
		host = "127.0.0.1"
		if !four {
			network += "4"
		}
	}
	return network, net.JoinHostPort(host, port)
}

// TakesIPv4Of says whether the listener is for all addresses of IPv4 and IPv6, and the
// other for all of IPv4 on the same port.
func (l Listen) TakesIPv4Of(other Listen) bool {
	if l.Network != TCP && l.Network != UDP || l.Datagram() != other.Datagram() || other.Network == Unix {
		return false
	}
	host, port, _ := net.SplitHostPort(l.Address)
	otherHost, otherPort, _ := net.SplitHostPort(other.Address)
	all4 := otherHost == "0.0.0.0" || otherHost == "" && strings.HasSuffix(string(other.Network), "4")
	return (host == "" || host == "::") && all4 && port == otherPort && port != "0"
}

// listenProblem returns an error if listener i contradicts one of the listeners before it.
func listenProblem(all []Listen, i int) error {
	l := all[i]
	if l.Network == Unix {
		if err := l.checkPath(); err != nil {
			return err
		}
	}
	for _, other := range all[:i] {
		if l.Name == other.Name {
			return fmt.Errorf("cannot listen twice under the name %q (%s and %s)", l.Name, other, l)
		}
		if l.TakesIPv4Of(other) || other.TakesIPv4Of(l) {
			return fmt.Errorf("cannot listen on %s beside %s: without a prefix [::] is for IPv4, too; "+
				"write tcp6: or udp6: before it", l, other)
		}
		if l.Network == other.Network && l.Address == other.Address && !l.AnyPort() {
			return fmt.Errorf("cannot listen twice on %s (listeners %q and %q)", l, other.Name, l.Name)
		}
	}
	return nil
}
