package control_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"relevo/internal/control"
	"relevo/pool"
)

// envRole makes the test binary one of the processes of roles.
const envRole = "CONTROL_TEST_ROLE"

// tooLong is longer than anything here takes.
const tooLong = 20 * time.Second

func TestMain(m *testing.M) {
	if role := os.Getenv(envRole); role != "" {
		if err := roles()[role](os.Args[1]); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// nobody is the user without rights (nobody in passwd(5) of most systems).
const nobody = 65534

func roles() map[string]func(arg string) error {
	return map[string]func(string) error{
		"ask":     ask,
		"lock":    lock,
		"dir":     makeDir,
		"pretend": pretend,
		"trust":   trust,
		"umask":   makeUnderUmask,
	}
}

func becomeNobody() error {
	return errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody))
}

// ask asks a master for its status as another user.
func ask(path string) error {
	if err := becomeNobody(); err != nil {
		return err
	}
	client, err := control.Connect(context.Background(), path)
	if err == nil {
		_, err = client.Status(context.Background())
	}
	fmt.Println(control.ExitCode(err), err)
	return nil
}

// lock holds a lock until it is killed.
func lock(path string) error {
	if _, err := control.Acquire(path); err != nil {
		return err
	}
	fmt.Println("locked")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// makeDir uses a runtime directory as another user.
func makeDir(dir string) error {
	if err := becomeNobody(); err != nil {
		return err
	}
	fmt.Println(control.MakeRuntimeDir(dir))
	return nil
}

// child is a process in a role; it ends with the test.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func spawn(t *testing.T, role, arg string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.Command(os.Args[0], arg)}
	// Under the race detector a process sleeps for a second before it exits.
	c.cmd.Env = append(os.Environ(), envRole+"="+role, "GORACE=atexit_sleep_ms=0")
	c.cmd.Stderr = t.Output()
	in, err := c.cmd.StdinPipe()
	if err != nil {
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
	patience := time.AfterFunc(tooLong, func() { c.cmd.Process.Kill() })
	t.Cleanup(func() {
		in.Close()
		c.cmd.Wait()
		patience.Stop()
	})
	return c
}

func (c *child) line() string {
	c.t.Helper()
	if !c.lines.Scan() {
		c.t.Fatalf("the child ended: %v", c.lines.Err())
	}
	return c.lines.Text()
}

// master is a fake control.Master: it records what it is asked and answers what
// the test has put in.
type master struct {
	status control.Status
	result pool.RollResult
	scaled control.Scaled
	ids    []string
	err    error                       // of everything
	roll   func(context.Context) error // where the wait for a roll has to take its time

	plan     control.Plan
	releases control.Releases

	handing atomic.Int32 // how many subscriptions are sent to the next master

	mu         sync.Mutex
	asked      []string
	events     chan pool.Event
	cancelled  chan struct{} // closed by cancel of the one subscription
	subscribed chan struct{} // closed by it
}

func newMaster() *master {
	return &master{events: make(chan pool.Event), cancelled: make(chan struct{}), subscribed: make(chan struct{})}
}

func (m *master) note(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, fmt.Sprintf(format, args...))
}

func (m *master) asks() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.asked, ", ")
}

func (m *master) Status() (control.Status, error) {
	m.note("status")
	return m.status, m.err
}

func (m *master) Reload(o control.ReloadOptions) (control.Wait, error) {
	m.note("reload force=%t", o.Force)
	return m.wait, m.err
}

func (m *master) Rollback(to string) (control.Wait, error) {
	m.note("rollback %q", to)
	return m.wait, m.err
}

func (m *master) Promote() (pool.Canary, error) {
	m.note("promote")
	return pool.Canary{Slot: 0, ID: "5", Share: "5%"}, m.err
}

func (m *master) Abort() (control.Wait, error) {
	m.note("abort")
	return m.wait, m.err
}

// wait is the end of every roll.
func (m *master) wait(ctx context.Context) (pool.RollResult, error) {
	if m.roll != nil {
		return m.result, m.roll(ctx)
	}
	return m.result, nil
}

func (m *master) Await(generation int) (control.Wait, error) {
	m.note("await %d", generation)
	return m.wait, m.err
}

func (m *master) Upgrade() (control.Upgraded, error) {
	m.note("upgrade")
	return control.Upgraded{PID: 8, From: 7, How: "tableflip", Successions: 1}, m.err
}

func (m *master) HandOver(to string) (control.Upgraded, error) {
	m.note("hand over to %s", to)
	return control.Upgraded{PID: 8, From: 7, How: "asked", Successions: 1}, m.err
}

func (m *master) Plan() (control.Plan, error) {
	m.note("plan")
	return m.plan, m.err
}

func (m *master) Releases() (control.Releases, error) {
	m.note("releases")
	return m.releases, m.err
}

func (m *master) Prune() (control.Pruned, error) {
	m.note("prune")
	return control.Pruned{Copies: 2, Bytes: 7}, m.err
}

func (m *master) Scale(change string) (control.Scaled, error) {
	m.note("scale %s", change)
	return m.scaled, m.err
}

func (m *master) Recycle(slot int) (control.Recycled, error) {
	m.note("recycle %d", slot)
	return control.Recycled{Slot: slot, Worker: "7"}, m.err
}

func (m *master) Stop(force bool) error {
	m.note("stop %v", force)
	return m.err
}

func (m *master) Subscribe() (<-chan pool.Event, func(), error) {
	if m.handing.Load() > 0 {
		m.handing.Add(-1)
		return nil, nil, pool.ErrHandedOver
	}
	m.note("subscribe")
	if m.err != nil {
		return nil, nil, m.err
	}
	close(m.subscribed)
	return m.events, func() { close(m.cancelled) }, nil
}

func (m *master) Send(t pool.Target, data []byte) ([]string, error) {
	m.note("send %s to %s", data, t)
	return m.ids, m.err
}

func (m *master) Recent() ([]pool.Entry, error) { return []pool.Entry{}, nil }

func (m *master) Signal(t pool.Target, sig syscall.Signal) ([]string, error) {
	m.note("signal %d to %s", sig, t)
	return m.ids, m.err
}

// place returns a path for a socket, short enough for one.
func place(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rlv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "web.sock")
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// serve answers for m until the test ends.
func serve(t *testing.T, m control.Master) (path string, client *control.Client) {
	t.Helper()
	path = place(t)
	s, err := control.Listen(path, m, discard())
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := within(t, served); err != nil {
			t.Error(err)
		}
	})
	client, err = control.Connect(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return path, client
}

// soon is a context that ends before the test would hang.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), tooLong)
	t.Cleanup(cancel)
	return ctx
}

// within waits for something that must come, if only the end of the channel.
func within[T any](t *testing.T, c <-chan T) (value T) {
	t.Helper()
	select {
	case value = <-c:
	case <-time.After(tooLong):
		t.Fatal("it did not come")
	}
	return value
}

func wantEqual(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}
