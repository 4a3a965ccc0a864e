// Package systemd is the master's side of systemd's protocols, in systemd's own
// words: what it tells the service manager that started it, what it inherits from
// it, and the units that make it do so. See sd_notify(3) and sd_listen_fds(3).
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

// Notifier tells the service manager the state of this service. Where no manager
// listens every method does nothing. It is safe for concurrent use; messages that
// one goroutine sends arrive in their order.
type Notifier struct {
	address string // of the manager's socket; empty: there is no manager
	failed  func(error)
}

// What is said to the manager in these words has no value that varies (sd_notify(3)).
const (
	notifyReady     = "READY=1"
	notifyReloading = "RELOADING=1"
	notifyStopping  = "STOPPING=1"
	notifyWatchdog  = "WATCHDOG=1"
)

// sendPatience is how long a message may wait for room in the manager's queue,
// which holds hundreds of them.
const sendPatience = time.Second

// NewNotifier looks for NOTIFY_SOCKET. Messages that cannot be sent go to failed,
// from any goroutine: the service is none the worse for them.
func NewNotifier(getenv func(string) string, failed func(error)) *Notifier {
	n := &Notifier{failed: failed}
	switch address := getenv("NOTIFY_SOCKET"); {
	case address == "":
	case address[0] == '/', address[0] == '@' && len(address) > 1:
		n.address = address
	default:
		failed(fmt.Errorf("cannot use NOTIFY_SOCKET=%q: it is neither a path nor an abstract socket (@…); "+
			"nothing is told to the service manager", address))
	}
	return n
}

// Ready says that the service serves, for the first time or after Reloading.
func (n *Notifier) Ready(status string) { n.notify(notifyReady, statusLine(status)) }

// Status is the line that systemctl status shows.
func (n *Notifier) Status(status string) { n.notify(statusLine(status)) }

// Reloading says that a reload begins. Ready must follow, whether the reload succeeds or
// not: systemctl waits for it. MONOTONIC_USEC tells the manager which of its reload jobs
// this answers (Type=notify-reload).
func (n *Notifier) Reloading(status string) {
	var now unix.Timespec
	if n.address == "" || unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return
	}
	n.notify(notifyReloading, "MONOTONIC_USEC="+strconv.FormatInt(now.Nano()/1000, 10), statusLine(status))
}

// Stopping says that the service is on its way out.
func (n *Notifier) Stopping(status string) { n.notify(notifyStopping, statusLine(status)) }

// MainPID says which process is the service's main one from now on. With
// NotifyAccess=main the manager believes only the present main process: the old
// master says it of the new one, never the new one of itself.
func (n *Notifier) MainPID(pid int) { n.notify("MAINPID=" + strconv.Itoa(pid)) }

// ExtendTimeout asks for the time d from now on before the manager loses patience
// with a start, reload or stop under way. It has to be said again in time where
// even that is not enough; when the unit's own timeout is longer it changes nothing.
func (n *Notifier) ExtendTimeout(d time.Duration) {
	n.notify("EXTEND_TIMEOUT_USEC=" + strconv.FormatInt(d.Microseconds(), 10))
}

// Alive feeds the manager's watchdog, see WatchdogInterval. It never waits: where
// the manager's queue is full the next one does as well.
func (n *Notifier) Alive() {
	if n.address == "" {
		return
	}
	if err := send(n.address, notifyWatchdog, nil, 0); err != nil && !errors.Is(err, unix.EAGAIN) {
		n.failed(err)
	}
}

// Barrier returns when the manager has handled all that was sent before, or with
// ctx's error. The manager answers by closing the end of a pipe (BARRIER=1,
// systemd 246 and later; older ones close it unread, which comes to the same).
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
