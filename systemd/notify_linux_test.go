package systemd_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"relevo/systemd"
)

func TestMain(m *testing.M) {
	if os.Getenv(inheritor) != "" {
		inheritorMain()
		return
	}
	if dir := os.Getenv(serviceRole); dir != "" {
		serviceMain(dir)
	}
	goleak.VerifyTestMain(m)
}

// tooLong is longer than anything here takes.
const tooLong = 20 * time.Second

// manager is the end of NOTIFY_SOCKET that systemd has.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

// newManager listens at path and makes this process a service of it.
func newManager(t *testing.T, path string) *manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return &manager{t, conn}
}

// next returns the next message. A datagram is there when its sender goes on.
func (m *manager) next() string {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(tooLong)); err != nil {
		m.t.Fatal(err)
	}
	buffer := make([]byte, 64<<10)
	n, err := m.conn.Read(buffer)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(buffer[:n])
}

// silent says that no message has come.
func (m *manager) silent() {
	m.t.Helper()
	raw, err := m.conn.SyscallConn()
	if err != nil {
		m.t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		buffer := make([]byte, 4096)
		n, _, err := unix.Recvfrom(int(fd), buffer, unix.MSG_DONTWAIT)
		if !errors.Is(err, syscall.EAGAIN) {
			m.t.Errorf("%q came, %v", buffer[:max(n, 0)], err)
		}
	})
}

func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rlv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "notify")
}

// notifier returns the Notifier of this process; a message that fails fails the
// test.
func notifier(t *testing.T) *systemd.Notifier {
	return systemd.NewNotifier(os.Getenv, func(err error) { t.Errorf("not sent: %v", err) })
}

func TestMessages(t *testing.T) {
	for name, path := range map[string]string{
		"path": socketPath(t), "abstract": fmt.Sprintf("@relevo-test-%d", os.Getpid()),
	} {
		t.Run(name, func(t *testing.T) {
			m := newManager(t, path)
			n := notifier(t)
			for _, test := range []struct {
				send func(string)
				want string
			}{
				{n.Ready, `^READY=1\nSTATUS=3 workers serve$`},
				{n.Status, `^STATUS=3 workers serve$`},
				{n.Reloading, `^RELOADING=1\nMONOTONIC_USEC=\d+\nSTATUS=3 workers serve$`},
				{n.Stopping, `^STOPPING=1\nSTATUS=3 workers serve$`},
				{func(string) { n.MainPID(815) }, `^MAINPID=815$`},
				{func(string) { n.ExtendTimeout(90 * time.Second) }, `^EXTEND_TIMEOUT_USEC=90000000$`},
				{func(string) { n.Alive() }, `^WATCHDOG=1$`},
				{n.Discard, `^FDSTOREREMOVE=1\nFDNAME=3 workers serve$`},
			} {
				test.send("3 workers serve")
				if got := m.next(); !regexp.MustCompile(test.want).MatchString(got) {
					t.Errorf("message %q, want %s", got, test.want)
				}
			}
			m.silent()
		})
	}
}

// MONOTONIC_USEC is the clock by which the manager knows its reload job.
func TestReloadingTime(t *testing.T) {
	m := newManager(t, socketPath(t))
	before := monotonic(t)
	notifier(t).Reloading("rolling")
	after := monotonic(t)
	var at int64
	if _, err := fmt.Sscanf(m.next(), "RELOADING=1\nMONOTONIC_USEC=%d\n", &at); err != nil {
		t.Fatal(err)
	}
	if at < before || at > after {
		t.Errorf("MONOTONIC_USEC=%d is not between %d and %d", at, before, after)
	}
}

func monotonic(t *testing.T) (usec int64) {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	return now.Nano() / 1000
}

// Whatever is in a status: it is one line, and the message is one that the
// manager reads.
func TestStatusIsOneLine(t *testing.T) {
	m := newManager(t, socketPath(t))
	n := notifier(t)
	tests := map[string]string{
		"":                      "",
		"a\nb":                  "a · b",
		"a\nREADY=1\nMAINPID=1": "a · READY=1 · MAINPID=1",
		"a\rSTOPPING=1\r\n":     "a STOPPING=1",
		"a\x00b":                "a b",
		"a\x1b[31mb\tc":         "a [31mb c",
		"a\xffb":                "a\uFFFDb",
		"Grüße\n":               "Grüße",
	}
	for n := range 4 { // cut at every place of a rune of three bytes
		tests[strings.Repeat("x", n)+strings.Repeat("€", 3000)] = strings.Repeat("x", n) + strings.Repeat("€",
			(2048-n)/3) + "…"
	}
	for status, want := range tests {
		n.Ready(status)
		got := m.next()
		if got != "READY=1\nSTATUS="+want {
			t.Errorf("%.40q: message %.80q, want %.80q", status, got, want)
		}
		if len(got) > 4096 || !utf8.ValidString(got) {
			t.Errorf("%.40q: the manager would ignore a message of %d bytes", status, len(got))
		}
	}
	n.Ready(strings.Repeat("\n", 1<<20) + ".")
	if got := m.next(); len(got) > 4096 {
		t.Errorf("newlines: a message of %d bytes", len(got))
	}
}

// Without a manager nothing is sent and nothing fails.
func TestNobodyListens(t *testing.T) {
	m := newManager(t, socketPath(t))
	n := systemd.NewNotifier(func(string) string { return "" }, func(err error) { t.Error(err) })
	all(n)
	if err := n.Barrier(t.Context()); err != nil {
		t.Error(err)
	}
	if err := n.Store("f", os.Stdin); err != nil {
		t.Error(err)
	}
	m.silent()
}

// A NOTIFY_SOCKET that leads nowhere is told of once, and nothing is sent.
func TestOddSocket(t *testing.T) {
	for _, address := range []string{"@", "relative", "vsock:2:1234", " "} {
		var failures []error
		n := systemd.NewNotifier(func(string) string { return address }, func(err error) { failures = append(failures, err) })
		all(n)
		if len(failures) != 1 || !strings.HasPrefix(failures[0].Error(), "cannot use NOTIFY_SOCKET=") {
			t.Errorf("%q: failures %v", address, failures)
		}
	}
}

// all sends one message of each kind that has no answer.
func all(n *systemd.Notifier) {
	n.Ready("a")
	n.Status("b")
	n.Reloading("c")
	n.Stopping("d")
	n.MainPID(1)
	n.ExtendTimeout(time.Second)
	n.Alive()
	n.Discard("e")
}

const kinds = 8

// A manager that is gone is told of, and that is all.
func TestManagerGone(t *testing.T) {
	m := newManager(t, socketPath(t))
	var failures []error
	n := systemd.NewNotifier(os.Getenv, func(err error) { failures = append(failures, err) })
	all(n)
	if len(failures) > 0 {
		t.Errorf("failures: %v", failures)
	}
	m.conn.Close()
	all(n)
	if err := n.Barrier(t.Context()); err != nil {
		failures = append(failures, err)
	}
	if err := n.Store("f", os.Stdin); err != nil {
		failures = append(failures, err)
	}
	if len(failures) != kinds+2 {
		t.Errorf("%d failures, want %d: %v", len(failures), kinds+2, failures)
	}
	for _, err := range failures {
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("failure %v, want connection refused", err)
		}
	}
}
