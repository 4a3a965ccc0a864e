package listeners_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
	"relevo/internal/testleft"
	"relevo/internal/testproc"
	"relevo/upgrader/listeners"
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

// newSet returns a Set with a store; both are closed at the end of the test.
func newSet(t *testing.T) (*listeners.Set, *store) {
	t.Helper()
	return setWithLog(t, t.Output())
}

// loggingSet is newSet with a log.
func loggingSet(t *testing.T) (*listeners.Set, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	set, _ := setWithLog(t, &log)
	return set, &log
}

func setWithLog(t *testing.T, log io.Writer) (*listeners.Set, *store) {
	t.Helper()
	c := &store{files: map[string]int{}}
	set := listeners.New(listeners.Options{Log: slog.New(slog.NewTextHandler(log, nil)), Keeper: c})
	t.Cleanup(func() {
		if err := set.Close(); err != nil {
			t.Error(err)
		}
		if len(c.files) > 0 {
			t.Errorf("the store keeps %d files", len(c.files))
		}
		c.close()
	})
	return set, c
}

// copies is a Source: another master gets a copy of each socket.
type copies map[string]*os.File

func (c copies) Names() []string { return slices.Sorted(maps.Keys(c)) }

func (c copies) Socket(name string) (*os.File, error) {
	file, ok := c[name]
	if !ok {
		return nil, fmt.Errorf("there is no %s", name)
	}
	delete(c, name)
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return listeners.Unpolled(fd, name)
}

// listen opens the sockets that the addresses of --listen stand for.
func listen(t *testing.T, all ...string) []*listeners.Listener {
	t.Helper()
	set, _ := newSet(t)
	opened, err := set.Listen(wanted(t, all...))
	if err != nil {
		t.Fatal(err)
	}
	return opened
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
	set, _ := newSet(t)
	opened, err := set.Listen(wanted(t, all...))
	if err == nil {
		t.Fatalf("listening on %v was not refused", all)
	}
	if len(opened)+len(set.Listeners()) > 0 {
		t.Errorf("listeners beside the error: %v", opened)
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
