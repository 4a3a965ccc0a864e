// Package systemd is the master's side of systemd's protocols, in systemd's own words: what it
// tells the service manager that started it, what it gets from it, and the units of apps. See
// sd_notify(3) and sd_listen_fds(3).
package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

// Notifier tells the service manager the state of this service. Without a manager every method does
// nothing. It is safe for concurrent use; the messages of one goroutine arrive in order.
type Notifier struct {
	address string // of the manager's socket; empty: there is no manager
	failed  func(error)
}

// Messages without a variable part (sd_notify(3)).
const (
	notifyReady     = "READY=1"
	notifyReloading = "RELOADING=1"
	notifyStopping  = "STOPPING=1"
	notifyWatchdog  = "WATCHDOG=1"
)

// sendPatience is how long a message may wait for room in the manager's queue,
// which holds hundreds of them.
const sendPatience = time.Second

// NewNotifier reads NOTIFY_SOCKET. It calls failed, from any goroutine, for each message that
// cannot be sent; the service works without it.
func NewNotifier(getenv func(string) string, failed func(error)) *Notifier {
	n := &Notifier{failed: failed}
	switch address := getenv("NOTIFY_SOCKET"); {
	case address == "":
	case address[0] == '/', address[0] == '@' && len(address) > 1:
		n.address = address
	default:
		failed(fmt.Errorf("cannot use NOTIFY_SOCKET=%q: it is neither a path nor an abstract socket (@…); "+
			"the service manager is not notified", address))
	}
	return n
}

// Ready reports that the service serves, for the first time or after Reloading.
func (n *Notifier) Ready(status string) { n.notify(notifyReady, statusLine(status)) }

// Status sets the line that systemctl status shows.
func (n *Notifier) Status(status string) { n.notify(statusLine(status)) }

// Reloading reports that a reload begins. Ready must follow, even if the reload fails, because
// systemctl waits for it. MONOTONIC_USEC tells the manager which reload job this answers
// (Type=notify-reload).
func (n *Notifier) Reloading(status string) {
	var now unix.Timespec
	if n.address == "" || unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return
	}
	n.notify(notifyReloading, "MONOTONIC_USEC="+strconv.FormatInt(now.Nano()/1000, 10), statusLine(status))
}

// Stopping reports that the service stops.
func (n *Notifier) Stopping(status string) { n.notify(notifyStopping, statusLine(status)) }

// MainPID names the new main process of the service. With NotifyAccess=main the manager believes
// only the current main process, so the old master announces the new one.
func (n *Notifier) MainPID(pid int) { n.notify("MAINPID=" + strconv.Itoa(pid)) }

// ExtendTimeout asks the manager to wait at least d from now on for the current start, reload or
// stop. Repeat it before d is over if more time is needed. It has no effect if the unit's own
// timeout is longer.
func (n *Notifier) ExtendTimeout(d time.Duration) {
	n.notify("EXTEND_TIMEOUT_USEC=" + strconv.FormatInt(d.Microseconds(), 10))
}

// Alive feeds the manager's watchdog, see WatchdogInterval. It never blocks: if the manager's queue
// is full, the message is dropped, and the next one will do.
func (n *Notifier) Alive() {
	if n.address == "" {
		return
	}
	if err := send(n.address, notifyWatchdog, nil, 0); err != nil && !errors.Is(err, unix.EAGAIN) {
		n.failed(err)
	}
}

// Barrier returns when the manager has handled all earlier messages, or with ctx's error. The
// manager answers by closing a pipe (BARRIER=1, systemd 246 and later; older versions close it
// unread, which has the same effect).
func (n *Notifier) Barrier(ctx context.Context) error {
	if n.address == "" {
		return nil
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("cannot make a pipe for the service manager: %w", err)
	}
	defer ours.Close()
	err = n.sendFile("BARRIER=1", theirs)
	theirs.Close()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { ours.SetReadDeadline(time.Unix(1, 0)) })()
	if _, err := ours.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("cannot tell whether the service manager has handled all messages: %w", ctx.Err())
	}
	return nil
}

// notify sends one message of several assignments.
func (n *Notifier) notify(lines ...string) {
	if n.address == "" {
		return
	}
	if err := send(n.address, strings.Join(lines, "\n"), nil, sendPatience); err != nil {
		n.failed(err)
	}
}

// maxStatus keeps a message well below 4096 bytes (PIPE_BUF). The manager ignores a longer message
// altogether, including a READY=1 in it.
const maxStatus = 2048

// statusLine makes a text fit on the protocol's one line, whatever workers have written into it.
// The manager ends a line at \r too, and ignores a message with a NUL byte or a status that is not
// UTF-8; strings.Map replaces invalid UTF-8.
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
