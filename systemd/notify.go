// Package systemd is the master's side of systemd's protocols, in systemd's own
// words: what it tells the service manager that started it. See sd_notify(3).
package systemd

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// Notifier tells the service manager the state of this service. Where no manager
// listens every method does nothing.
type Notifier struct {
	send func(state string) // nil: nobody listens
}

// NewNotifier looks for NOTIFY_SOCKET in this process's environment. Messages
// that cannot be sent go to failed: the service is none the worse for them.
func NewNotifier(getenv func(string) string, failed func(error)) *Notifier {
	if getenv("NOTIFY_SOCKET") == "" {
		return &Notifier{}
	}
	return &Notifier{send: func(state string) {
		if _, err := daemon.SdNotify(false, state); err != nil {
			failed(err)
		}
	}}
}

// Ready says that the service serves, for the first time or after Reloading.
func (n *Notifier) Ready(status string) { n.notify(daemon.SdNotifyReady, statusLine(status)) }

// Status is the line that systemctl status shows.
func (n *Notifier) Status(status string) { n.notify(statusLine(status)) }

// Reloading says that a reload begins. It must be followed by Ready, whatever
// becomes of the reload: systemctl waits for it. MONOTONIC_USEC tells the manager
// which of its own reload jobs is answered (Type=notify-reload).
func (n *Notifier) Reloading(status string) {
	var now unix.Timespec
	if n.send == nil || unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return
	}
	n.notify(daemon.SdNotifyReloading, "MONOTONIC_USEC="+strconv.FormatInt(now.Nano()/1000, 10), statusLine(status))
}

// Stopping says that the service is on its way out.
func (n *Notifier) Stopping(status string) { n.notify(daemon.SdNotifyStopping, statusLine(status)) }

func (n *Notifier) notify(lines ...string) {
	if n.send != nil {
		n.send(strings.Join(lines, "\n"))
	}
}

// maxStatus keeps a message well below the 4096 bytes (PIPE_BUF) beyond which
// the manager ignores the whole of it, the READY=1 beside the status too.
const maxStatus = 2048

// statusLine keeps a text on the one line that the protocol gives it, whatever
// workers have written into it: the manager ends a line at \r as well, and ignores
// a message with a NUL byte and a status that is not UTF-8, which strings.Map mends.
func statusLine(status string) string {
	status = strings.ReplaceAll(strings.TrimRight(status, "\r\n"), "\n", " · ")
	status = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, status)
	if len(status) > maxStatus {
		status = strings.ToValidUTF8(status[:maxStatus], "") + "…"
	}
	return "STATUS=" + status
}
