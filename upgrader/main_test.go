package upgrader_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
	"relevo/internal/testleft"
	"relevo/upgrader"
)

// envRole makes the test binary run as one of the roles.
const envRole = "UPGRADER_TEST_ROLE"

// tooLong is longer than anything here takes.
const tooLong = 30 * time.Second

func TestMain(m *testing.M) {
	if role := os.Getenv(envRole); role != "" {
		if err := roles()[role](os.Args[1:]); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
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

// socketPath returns a short path: the path of a socket has 107 bytes at most.
func socketPath(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rlv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// child is a process in one of the roles. It talks line by line and ends with its stdin.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
}

func spawn(t *testing.T, role string, inherit []*os.File, args ...string) *child {
	t.Helper()
	return spawnFrom(t, os.Args[0], role, inherit, args...)
}

// spawnFrom has the child run a copy of this program.
func spawnFrom(t *testing.T, program, role string, inherit []*os.File, args ...string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.Command(program, args...)}
	// Under the race detector a process sleeps for a second before it exits.
	c.cmd.Env = append(os.Environ(), envRole+"="+role, "GORACE=atexit_sleep_ms=0")
	c.cmd.Stderr = t.Output()
	c.cmd.ExtraFiles = inherit
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // signals reach its successors, too
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.lines = bufio.NewScanner(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	patience := time.AfterFunc(tooLong, func() { syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) })
	t.Cleanup(func() {
		c.in.Close()
		c.cmd.Wait()
		patience.Stop()
	})
	return c
}

// line returns the next line of the child.
func (c *child) line() string {
	c.t.Helper()
	if !c.lines.Scan() {
		c.t.Fatalf("the child ended: %v", c.lines.Err())
	}
	return c.lines.Text()
}

func (c *child) say(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

func wantContains(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v\nwants %q", err, part)
		}
	}
}
