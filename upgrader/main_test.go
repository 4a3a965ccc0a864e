package upgrader_test

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
	"relevo/internal/testleft"
	"relevo/internal/testproc"
	"relevo/upgrader"
)

// tooLong is longer than anything here takes.
const tooLong = testproc.TooLong

func TestMain(m *testing.M) {
	if code, isChild := roles().Run(); isChild {
		os.Exit(code)
	}
	code := m.Run()
	os.Exit(testleft.Judge(code, testleft.Goroutines(), testleft.Sockets(), testleft.Children()))
}

// store is a Keeper that keeps descriptors of its own, as systemd does.
type store struct{ files map[string]int }

func (c *store) Keep(name string, file *os.File) {
	raw, err := file.SyscallConn()
	if err != nil {
		panic(err)
	}
	raw.Control(func(fd uintptr) {
		copied, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			panic(err)
		}
		c.files[name] = copied
	})
}

func (c *store) Drop(name string) {
	unix.Close(c.files[name])
	delete(c.files, name)
}

func (c *store) close() {
	for name := range c.files {
		c.Drop(name)
	}
}

// newUpgrader returns an upgrader with a store; both are closed at the end of the test.
func newUpgrader(t *testing.T) (*upgrader.Upgrader, *store) {
	t.Helper()
	return upgraderWithLog(t, t.Output())
}

// loggingUpgrader is newUpgrader with a log.
func loggingUpgrader(t *testing.T) (*upgrader.Upgrader, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	u, _ := upgraderWithLog(t, &log)
	return u, &log
}

func upgraderWithLog(t *testing.T, log io.Writer) (*upgrader.Upgrader, *store) {
	t.Helper()
	c := &store{files: map[string]int{}}
	u := upgrader.New(upgrader.Options{Log: slog.New(slog.NewTextHandler(log, nil)), Keeper: c})
	t.Cleanup(func() {
		if err := u.Close(); err != nil {
			t.Error(err)
		}
		if len(c.files) > 0 {
			t.Errorf("the store keeps %d files", len(c.files))
		}
		c.close()
	})
	return u, c
}

// listen opens the sockets that the addresses of --listen stand for.
func listen(t *testing.T, all ...string) []*upgrader.Listener {
	t.Helper()
	u, _ := newUpgrader(t)
	listeners, err := u.Listen(wanted(t, all...))
	if err != nil {
		t.Fatal(err)
	}
	return listeners
}

func wanted(t testing.TB, all ...string) (listens []config.Listen) {
	t.Helper()
	for _, text := range all {
		l, err := config.ParseListen(text)
		if err != nil {
			t.Fatal(err)
		}
		listens = append(listens, l)
	}
	config.NameListeners(listens)
	return listens
}

// refused opens the sockets and requires that it fails.
func refused(t *testing.T, all ...string) error {
	t.Helper()
	u, _ := newUpgrader(t)
	listeners, err := u.Listen(wanted(t, all...))
	if err == nil {
		t.Fatalf("listening on %v was not refused", all)
	}
	if len(listeners)+len(u.Listeners()) > 0 {
		t.Errorf("listeners beside the error: %v", listeners)
	}
	return err
}

func wantContains(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v\nwants %q", err, part)
		}
	}
}
