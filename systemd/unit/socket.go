package unit

import (
	"fmt"
	"net"
	"path/filepath"

	"relevo/internal/config"
)

// sockets makes a unit for each listener, because a .socket unit has one name for all its sockets.
func (o Options) sockets() (files []File, err error) {
	if len(o.App.Listen) == 0 {
		return nil, fmt.Errorf("cannot make a .socket unit: the configuration has no listener; " +
			"add one, or leave out --socket")
	}
	for _, l := range o.App.Listen {
		name := o.Name + ".socket"
		if len(o.App.Listen) > 1 {
			name = o.Name + "-" + l.Name + ".socket"
		}
		text, err := o.socket(l)
		if err != nil {
			return nil, err
		}
		files = append(files, File{name, text})
	}
	return files, nil
}

func (o Options) socket(l config.Listen) (string, error) {
	address, only6, err := stream(l)
	if err != nil {
		return "", err
	}
	t := &text{}
	o.header(t)
	t.section("Unit")
	t.set("Description", fmt.Sprintf("%s, listener %s (relevo)", o.Name, l.Name))
	t.section("Socket")
	if l.Datagram() {
		t.set("ListenDatagram", address)
	} else {
		t.set("ListenStream", address)
	}
	if only6 {
		t.set("BindIPv6Only", "ipv6-only")
	}
	t.comment("By its address, or else by this name, the master knows which of its listeners it is.")
	t.set("FileDescriptorName", l.Name)
	t.set("Service", o.Name+".service")
	if l.Mode != 0 {
		t.set("SocketMode", fmt.Sprintf("%04o", uint32(l.Mode)))
	}
	if l.Network == config.Unix && !l.Abstract() {
		t.yes("RemoveOnStop")
		t.set("DirectoryMode", "0755")
	}
	if l.Backlog != 0 {
		t.set("Backlog", l.Backlog)
	}
	if !l.Datagram() {
		t.comment("The workers accept, each connection on its own merits; clients that come in a rush are no reason to stop.")
	} else {
		t.comment("Packets that come in a rush are no reason to stop.")
	}
	t.set("TriggerLimitIntervalSec", 0)
	t.section("Install")
	t.set("WantedBy", "sockets.target")
	return t.String(), nil
}

// stream writes an address in the form of systemd.socket(5): a port alone is bound on IPv6 and
// IPv4.
func stream(l config.Listen) (address string, only6 bool, err error) {
	if l.Network == config.Unix {
		if l.Abstract() {
			return path(l.Address), false, nil
		}
		return path(filepath.Clean(l.Address)), false, nil
	}
	host, port, err := net.SplitHostPort(l.Address)
	if err != nil {
		return "", false, fmt.Errorf("internal error: listener %s has the address %q", l.Name, l.Address)
	}
	if port == "0" {
		return "", false, fmt.Errorf("cannot make a .socket unit of listener %s: with port 0 (%s) no client would know its "+
			"address; give it a port", l.Name, l)
	}
	six := l.Network == config.TCP6 || l.Network == config.UDP6
	four := l.Network == config.TCP4 || l.Network == config.UDP4
	switch {
	case host == "" && !six && !four:
		return port, false, nil
	case host == "" && four:
		host = "0.0.0.0"
	case host == "" && six:
		host = "::"
	case host == "localhost" && six:
		host = "::1"
	case host == "localhost":
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), six, nil
}
