package ipc

import (
	"bytes"
	"strings"
)

// Notification is one datagram of sd_notify(3), its assignments by name.
type Notification map[string]string

// ParseNotification reads newline-separated NAME=VALUE assignments. It skips anything else, as
// systemd does.
func ParseNotification(datagram []byte) Notification {
	n := Notification{}
	for line := range bytes.Lines(datagram) {
		name, value, ok := strings.Cut(strings.TrimRight(string(line), "\n"), "=")
		if ok && name != "" {
			n[name] = value
		}
	}
	return n
}

// Sender identifies the sender of a datagram, as the kernel says (SCM_CREDENTIALS).
type Sender struct {
	PID int
	UID int
}
