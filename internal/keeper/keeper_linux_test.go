package keeper

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/succession"
	"relevo/pool"
	"relevo/systemd"
	"relevo/upgrader"
)

// tooLong is for what ends at once, also on a busy machine.
const tooLong = 2 * time.Minute

// manager is systemd, as far as a Keeper sees it.
type manager struct {
	t      *testing.T
	socket *net.UnixConn
	log    bytes.Buffer
	o      Options
}

// newManager keeps as many files as a text says.
func newManager(t *testing.T, most string) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "keeper")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	m := &manager{t: t}
	if m.socket, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.socket.Close() })
	getenv := func(name string) string { return map[string]string{"NOTIFY_SOCKET": path, "FDSTORE": most}[name] }
	m.o = Options{
		Log: slog.New(slog.NewTextHandler(&m.log, nil)), Getenv: getenv,
		Notifier: systemd.NewNotifier(getenv, func(err error) { t.Error(err) }),
		State:    func(pool.Legacy) ([]byte, error) { return []byte("state"), nil },
	}
	return m
}

// heard are the messages so far: +name for a file that is to be kept, -name for one that is
// not any more.
func (m *manager) heard() string {
	m.t.Helper()
	const last = "READY=1"
	m.o.Notifier.Ready("") // which comes after them
	m.socket.SetReadDeadline(time.Now().Add(tooLong))
	var all []string
	for buffer := make([]byte, 4096); ; {
		n, err := m.socket.Read(buffer)
		if err != nil {
			m.t.Fatal(err)
		}
		text := string(buffer[:n])
		if strings.Contains(text, last) {
			return strings.Join(all, " ")
		}
		sign := "+"
		if strings.HasPrefix(text, "FDSTOREREMOVE=1") {
			sign = "-"
		}
		_, name, _ := strings.Cut(text, "FDNAME="+systemd.StoredPrefix)
		name, _, _ = strings.Cut(name, "\n")
		all = append(all, sign+name)
	}
}

// TestKeeper: nothing is sent before systemd listens; then what is wanted is kept, and what
// was dropped is not. At the end the listeners stay.
func TestKeeper(t *testing.T) {
	t.Parallel()
	m := newManager(t, "100")
	k := Open(m.o)
	if k == nil || k.ForPool() == nil || k.ForConnections() == nil || k.ForListeners() == nil {
		t.Fatal("nothing is kept")
	}
	k.Keep("listener.1", os.Stdin)
	k.Keep("worker.1", os.Stdin)
	k.Drop("worker.1")
	if got := m.heard(); got != "" {
		t.Errorf("too early: %q", got)
	}
	k.Begin()
	k.Keep("worker.2", os.Stdin)
	k.Keep("worker.3", os.Stdin)
	k.Keep("worker.3", os.Stdin)
	k.Drop("worker.2")
	if got, want := m.heard(), "+document +listener.1 +worker.2 +worker.3 -worker.2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	k.Save(pool.Legacy{})
	if text, err := k.memory.Read(); err != nil || string(text) != "state" {
		t.Errorf("%q, %v", text, err)
	}
	if err := k.Retain(succession.Document{Stopped: true}, []string{"listener.1"}); err != nil {
		t.Error(err)
	}
	k.Drop("listener.1") // it is closed, and left all the same
	if got := m.heard(); got != "-worker.3" || strings.Join(k.Names(), " ") != "document listener.1" {
		t.Errorf("got %q, left %q", got, k.Names())
	}
	if text, err := k.memory.Read(); err != nil || !strings.Contains(string(text), `"stopped":true`) {
		t.Errorf("%q, %v", text, err)
	}
	if m.log.Len() > 0 {
		t.Error(m.log.String())
	}
}

// TestGoesOn: what is stored already is not sent again, and what is not wanted leaves the
// store. The next master writes the same document.
func TestGoesOn(t *testing.T) {
	t.Parallel()
	m := newManager(t, "100")
	first := Open(m.o)
	legacy := upgrader.Legacy{Files: map[string]*os.File{}}
	first.Bequeath(&legacy)
	fd, err := unix.FcntlInt(legacy.Files[memoryFile].Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	m.o.Arrival = &succession.Arrival{
		Way: succession.Tableflip, In: upgrader.NewReceived(map[string]int{memoryFile: fd}),
		Left: &succession.Document{Stored: []string{storedDocument, "listener.1", "worker.1"}},
	}
	k := Open(m.o)
	k.Keep("worker.1", os.Stdin)
	k.Keep("worker.2", os.Stdin)
	k.Begin()
	if got := m.heard(); got != "-listener.1 +worker.2" { // it may be the same file
		t.Errorf("got %q", got)
	}
	k.Save(pool.Legacy{})
	if text, err := first.memory.Read(); err != nil || string(text) != "state" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestForget: of a legacy that cannot be gone on with nothing is kept but the document.
func TestForget(t *testing.T) {
	t.Parallel()
	m := newManager(t, "100")
	k := Open(m.o)
	k.Keep("worker.1", os.Stdin)
	k.Forget()
	k.Begin()
	if got := m.heard(); got != "+document" {
		t.Errorf("got %q", got)
	}
}

// TestFull: that systemd may not keep everything is told once.
func TestFull(t *testing.T) {
	t.Parallel()
	m := newManager(t, "2")
	k := Open(m.o)
	k.Begin()
	for _, name := range []string{"worker.1", "worker.2", "worker.3"} {
		k.Keep(name, os.Stdin)
	}
	k.o.State = func(pool.Legacy) ([]byte, error) { return nil, errors.New("no state") }
	k.Save(pool.Legacy{})
	if n := strings.Count(m.log.String(), "level=WARN"); n != 1 || !strings.Contains(m.log.String(), "keeps 2 files") {
		t.Errorf("%d warnings: %s", n, m.log.String())
	}
}

// TestNothingKept: without a service manager, or with one that keeps nothing, all that is asked
// of a Keeper does nothing.
func TestNothingKept(t *testing.T) {
	t.Parallel()
	m := newManager(t, "0")
	if k := Open(m.o); k != nil || !strings.Contains(m.log.String(), "FileDescriptorStoreMax") {
		t.Errorf("%v, %s", k, m.log.String())
	}
	m.o.Getenv = func(string) string { return "" }
	k := Open(m.o)
	if k != nil || k.ForPool() != nil || k.ForConnections() != nil || k.ForListeners() != nil || k.Names() != nil {
		t.Error("something is kept")
	}
	k.Begin()
	k.Forget()
	k.Bequeath(nil)
	if err := k.Retain(succession.Document{}, nil); err != nil {
		t.Error(err)
	}
}
