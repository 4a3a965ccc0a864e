package imports

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// sockets sets the listeners of a .socket beside the unit, or says that they are missing.
func (r *serviceReader) sockets() error {
	name := r.specifiers['N'] + ".socket"
	if named := strings.Fields(r.last("Sockets")); len(named) > 0 {
		name = named[0]
	}
	if r.Read == nil || !r.Exists(name) {
		if r.last("Sockets") != "" {
			r.remark("Sockets (%s): replaced by listen, with the addresses of its ListenStream=: the file is not here", name)
		}
		return nil
	}
	data, err := r.Read(name)
	if err != nil {
		return err
	}
	lines, err := parseUnit(data)
	if err != nil {
		return err
	}
	var listen []string
	of := map[string]string{}
	for _, l := range lines {
		if l.section == "Socket" {
			of[l.key] = l.value
		}
	}
	for _, l := range lines {
		address, known := r.address(l, of)
		switch {
		case l.section != "Socket", slices.Contains([]string{"FileDescriptorName", "SocketMode", "Backlog"}, l.key):
		case !known:
			r.remark("%s: %s (%s): left out: relevo knows nothing like it", name, l.key,
				brief(l.value))
		default:
			if name := of["FileDescriptorName"]; name != "" && len(listen) == 0 {
				address = name + "=" + address
			}
			listen = append(listen, address)
		}
	}
	if listen != nil {
		r.set("", "listen", listen, filepath.Base(name)+": relevo opens the sockets, and the program takes them as from "+
			"systemd")
	}
	return nil
}

// address is that of a listener, as relevo writes it.
func (r *serviceReader) address(l unitLine, of map[string]string) (address string, known bool) {
	value, err := r.fill(l.value)
	if err != nil || value == "" || l.key != "ListenStream" && l.key != "ListenDatagram" {
		return "", false
	}
	path := strings.HasPrefix(value, "/")
	switch _, err := strconv.ParseUint(value, 10, 16); {
	case err == nil:
		value = ":" + value
	case path || strings.HasPrefix(value, "@"):
		value = "unix:" + value
	}
	if l.key == "ListenDatagram" {
		return "udp:" + value, !strings.HasPrefix(value, "unix:")
	}
	if mode := of["SocketMode"]; path && mode != "" {
		value += ",mode=" + mode
	}
	if backlog := of["Backlog"]; backlog != "" {
		value += ",backlog=" + backlog
	}
	return value, true
}
