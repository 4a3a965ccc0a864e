package imports

import (
	"fmt"
	"path/filepath"
	"strings"

	"relevo/internal/lazyregexp"
)

// Host is what specifiers of units stand for on this machine.
type Host struct {
	User, UID, Group, GID, Home, Shell string // of the user who types
	Name                               string // of the machine
	HomeOf                             func(user string) string
}

// specifiers fills in what a unit file has in the form %x (systemd.unit(5)).
type specifiers map[byte]string

// specifiersOf are those of a unit by its file. In units of the system, the manager's user is root.
func specifiersOf(path string, user bool, h Host) specifiers {
	full := filepath.Base(path)
	name := strings.TrimSuffix(full, filepath.Ext(full))
	prefix, instance, _ := strings.Cut(name, "@")
	last := prefix[strings.LastIndex(prefix, "-")+1:]
	s := specifiers{
		'%': "%", 'n': full, 'N': name, 'p': prefix, 'P': unescape(prefix), 'i': instance, 'I': unescape(instance),
		'j': last, 'J': unescape(last), 'f': "/" + unescape(or(instance, prefix)), 'H': h.Name,
		'l': strings.Split(h.Name+".", ".")[0], 'T': "/tmp", 'V': "/var/tmp",
		'u': "root", 'U': "0", 'g': "root", 'G': "0", 'h': "/root", 's': "/bin/sh", 't': "/run", 'S': "/var/lib",
		'C': "/var/cache", 'L': "/var/log", 'E': "/etc", 'D': "/usr/share",
	}
	if user {
		for c, text := range map[byte]string{'u': h.User, 'U': h.UID, 'g': h.Group, 'G': h.GID, 'h': h.Home,
			's': or(h.Shell, "/bin/sh"), 't': "/run/user/" + h.UID, 'S': h.Home + "/.local/state", 'C': h.Home + "/.cache",
			'L': h.Home + "/.local/state/log", 'E': h.Home + "/.config", 'D': h.Home + "/.local/share"} {
			s[c] = text
		}
	}
	return s
}

var escaped = lazyregexp.New(`\\x[0-9a-fA-F]{2}`)

// unescape is the reverse of systemd-escape.
func unescape(name string) string {
	return escaped.ReplaceAllStringFunc(strings.ReplaceAll(name, "-", "/"), func(code string) string {
		text, _ := unitEscape(code)
		return text
	})
}

// fill returns the text with every specifier filled in.
func (s specifiers) fill(text string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		value, known := s[text[i]]
		if !known {
			return "", fmt.Errorf("%%%c is not known without systemd; write what it stands for", text[i])
		}
		b.WriteString(value)
	}
	return b.String(), nil
}

// timespan reads a length of time of systemd's: 90, 1min 30s.
var timespan = lazyregexp.New(`([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Zµ]*)\s*`)

var spanUnits = map[string]float64{
	"": 1, "s": 1, "sec": 1, "second": 1, "seconds": 1, "us": 1e-6, "µs": 1e-6, "usec": 1e-6, "ms": 1e-3, "msec": 1e-3,
	"m": 60, "min": 60, "minute": 60, "minutes": 60, "h": 3600, "hr": 3600, "hour": 3600, "hours": 3600,
	"d": 86400, "day": 86400, "days": 86400, "w": 604800, "week": 604800, "weeks": 604800,
}
