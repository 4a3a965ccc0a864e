package master

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/hangup"
	"relevo/pool"
	"relevo/pool/machine"
)

// roleEnv makes this program the worker of a test: one that serves, or one that waits.
const roleEnv = "RELEVO_TEST_OF_MASTER"

func TestMain(m *testing.M) {
	if os.Getenv(roleEnv) != "" {
		os.Exit(work())
	}
	os.Exit(m.Run())
}

// work says that it is ready, and leaves when it is asked to.
func work() int {
	leave := make(chan os.Signal, 1)
	signal.Notify(leave, unix.SIGTERM)
	notify, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		return 9
	}
	fmt.Fprint(notify, "READY=1")
	<-leave
	return 0
}

// life is a master that runs in this process, with workers of its own.
type life struct {
	*Master
	o       Options
	program string
	loaded  atomic.Pointer[config.App]
	broken  atomic.Bool // the configuration cannot be read
	started chan struct{}
	ended   chan error
}

func newLife(t *testing.T) *life {
	t.Helper()
	l := &life{}
	l.prepare(t)
	return l
}

// prepare makes the options of a master, with a program that is not written yet.
func (l *life) prepare(t *testing.T) {
	t.Helper()
	dir, runtime := t.TempDir(), shortDir(t)
	l.program, l.started, l.ended = filepath.Join(dir, "program"), make(chan struct{}), make(chan error, 1)
	app := config.Default()
	app.Name, app.Command, app.Dir, app.Workers, app.Canary = "web", []string{l.program}, dir, 1, 0
	app.WatchBinary, app.Ready.Mode, app.Capture, app.ReadyTimeout = false, config.ReadyNotify, config.CaptureOff, tooLong
	l.loaded.Store(&app)
	l.o = Options{
		App: app, Places: config.Places{Runtime: runtime, State: t.TempDir()}, Log: slog.New(slog.DiscardHandler),
		Load: func() (config.App, error) {
			if l.broken.Load() {
				return config.App{}, errors.New("cannot read relevo.toml")
			}
			return *l.loaded.Load(), nil
		},
	}
}

// shortDir returns a directory whose name leaves room for the name of a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "master")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// write puts a release of the program in place; its text distinguishes it from others.
func (l *life) write(t *testing.T, text, does string) {
	t.Helper()
	next := l.program + ".next"
	if err := os.WriteFile(next, []byte("#!/bin/sh\n# "+text+"\n"+does+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, l.program); err != nil {
		t.Fatal(err)
	}
}

// works writes a release that serves.
func (l *life) works(t *testing.T, text string) {
	t.Helper()
	l.write(t, text, "exec env "+roleEnv+"=worker "+os.Args[0])
}

// run starts the master, which lives until stop, and returns when it serves.
func (l *life) run(t *testing.T) {
	t.Helper()
	attached := make(chan *Master, 1)
	o := l.o
	l.started, l.ended = make(chan struct{}), make(chan error, 1)
	o.Started = func([]control.Listener) { close(l.started) }
	o.Attach = func(m Attached) error { attached <- m.(*Master); return nil }
	ended := l.ended
	go func() { ended <- Run(context.Background(), o) }()
	select {
	case l.Master = <-attached:
	case err := <-l.ended:
		t.Fatal(err)
	}
	select {
	case <-l.started:
	case err := <-l.ended:
		t.Fatal(err)
	case <-time.After(tooLong):
		t.Fatal("nothing serves")
	}
}

// stop ends the master by a signal.
func (l *life) stop(t *testing.T) {
	t.Helper()
	l.signals <- unix.SIGTERM
	select {
	case err := <-l.ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(tooLong):
		t.Fatal("the master does not stop")
	}
}

// roll waits for a roll, and returns its result.
func roll(t *testing.T, wait control.Wait, err error) pool.RollResult {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	result, err := wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// until waits for something that is not reported.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(tooLong); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// TestLife: a master from its start to its end, with all requests in between.
func TestLife(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.works(t, "one")
	l.run(t)
	one := l.serving().Sum()
	status, err := l.Status()
	if err != nil || len(status.Workers) != 1 || status.Workers[0].State != string(machine.Serving) {
		t.Fatalf("%+v, %v", status, err)
	}
	events, cancel, err := l.Subscribe()
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	if _, err := l.Signal(pool.Target{}, unix.SIGWINCH); err != nil {
		t.Error(err)
	}
	l.works(t, "two")
	if plan, err := l.Plan(); err != nil || plan.Next.SHA256 == one || plan.Refused != "" || plan.Running.SHA256 != one {
		t.Errorf("%+v, %v", plan, err)
	}
	wait, err := l.Reload(control.ReloadOptions{})
	if r := roll(t, wait, err); r.Result != machine.OK || l.serving().Sum() == one {
		t.Fatalf("%+v", r)
	}
	two := l.serving().Sum()
	if len(events) == 0 {
		t.Error("the roll is not reported")
	}
	l.write(t, "bad", "echo broken; exit 3")
	wait, err = l.Reload(control.ReloadOptions{})
	if r := roll(t, wait, err); r.Result != machine.RolledBack || l.serving().Sum() != two {
		t.Fatalf("%+v", r)
	}
	if plan, err := l.Plan(); err != nil || !strings.Contains(plan.Refused, "known to be bad") {
		t.Errorf("%+v, %v", plan, err)
	}
	if _, err := l.Reload(control.ReloadOptions{}); control.ExitCode(err) != control.ExitRollFailed {
		t.Errorf("a reload of bytes that are known to be bad: %v", err)
	}
	wait, err = l.Rollback("")
	if r := roll(t, wait, err); r.Result != machine.OK || l.serving().Sum() != one {
		t.Fatalf("%+v", r)
	}
	all, err := l.Releases()
	if err != nil || len(all.Releases) != 3 {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := l.Rollback("nothing"); control.ExitCode(err) != control.ExitUsage {
		t.Errorf("a rollback to a release that does not exist: %v", err)
	}
	if _, err := l.Prune(); err != nil {
		t.Error(err)
	}
	l.stop(t)
	if _, err := l.Status(); !errors.Is(err, pool.ErrNotRunning) {
		t.Errorf("after the end: %v", err)
	}
}

// TestRefusals: a request that cannot be done returns an error with the exit code of its kind, and
// what serves keeps serving.
func TestRefusals(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.works(t, "one")
	l.run(t)
	reload := func(o control.ReloadOptions) error { _, err := l.Reload(o); return err }
	l.broken.Store(true)
	for name, test := range map[string]struct {
		err  error
		code int
	}{
		"a broken file":   {reload(control.ReloadOptions{}), control.ExitConfig},
		"a wrong canary":  {reload(control.ReloadOptions{Canary: "soon"}), control.ExitUsage},
		"no roll":         {second(l.Abort()), control.ExitFailure},
		"no canary":       {second(l.Promote()), control.ExitFailure},
		"no arrival":      {second(l.Upgrade()), control.ExitBusy},
		"a wrong number":  {second(l.Scale("many")), control.ExitUsage},
		"no workers":      {second(l.Scale("0")), control.ExitUsage},
		"no such worker":  {second(l.Signal(pool.Target{ID: "99"}, unix.SIGWINCH)), control.ExitUsage},
		"another message": {second(l.Send(pool.Target{ID: "99"}, []byte("{}"))), control.ExitUsage},
	} {
		if test.err == nil || control.ExitCode(test.err) != test.code {
			t.Errorf("%s: %v, exit code %d, want %d", name, test.err, control.ExitCode(test.err), test.code)
		}
	}
	if _, err := l.Plan(); control.ExitCode(err) != control.ExitConfig {
		t.Errorf("a plan with a broken file: %v", err)
	}
	l.broken.Store(false)
	if err := os.Remove(l.program); err != nil {
		t.Fatal(err)
	}
	if err := reload(control.ReloadOptions{}); control.ExitCode(err) != control.ExitRollFailed {
		t.Errorf("a start without its program: %v", err)
	}
	l.requestRoll("a change")
	until(t, "what was refused is not tried again", func() bool { return len(l.announcer.Warnings.List()) > 0 })
	if err := Run(t.Context(), l.o); control.ExitCode(err) != control.ExitBusy {
		t.Errorf("a second master with the same name: %v", err)
	}
	l.stop(t)
}

func second[T any](_ T, err error) error { return err }

// TestSignals: signals do what they stand for.
func TestSignals(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.works(t, "one")
	l.run(t)
	workers := func() int {
		status, err := l.Status()
		if err != nil {
			t.Fatal(err)
		}
		return status.Slots
	}
	l.signals <- unix.SIGTTIN
	until(t, "no worker more", func() bool { return workers() == 2 })
	l.signals <- unix.SIGTTOU
	until(t, "no worker less", func() bool { return workers() == 1 })
	l.signals <- unix.SIGUSR1 // has no meaning
	l.signals <- unix.SIGPIPE
	app := *l.loaded.Load()
	app.Workers, app.Limits.MaxMemory, app.WatchBinary = 3, 1<<40, true
	l.loaded.Store(&app)
	l.box.post(hungUp{hangup.ByHand})
	until(t, "the configuration is not read", func() bool { return workers() == 3 })
	before := l.serving().Sum()
	l.works(t, "two")
	until(t, "a change of the program is not seen", func() bool { return l.serving().Sum() != before })
	l.stop(t)
}

// TestCloseLog: the log is closed when the control socket does not answer any more, and before the
// name is given up.
func TestCloseLog(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	closed := 0
	l.o.CloseLog = func() {
		closed++
		if _, err := control.Acquire(l.o.Places.Lock("web")); !errors.Is(err, control.ErrLocked) {
			t.Errorf("the name can be taken: %v", err)
		}
		if _, err := control.Connect(context.Background(), l.o.Places.ControlSocket("web")); err == nil {
			t.Error("the control socket answers")
		}
	}
	l.works(t, "one")
	l.run(t)
	l.stop(t)
	if closed != 1 {
		t.Errorf("closed %d times", closed)
	}
	name, err := control.Acquire(l.o.Places.Lock("web"))
	if err != nil {
		t.Fatal(err)
	}
	if err := name.Unlock(); err != nil {
		t.Error(err)
	}
}

// TestFailedStart: if the newest release does not start, the last good one serves; if there is none,
// the master ends.
func TestFailedStart(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.write(t, "bad", "exit 3")
	err := Run(t.Context(), l.o)
	if failed := (*pool.StartError)(nil); !errors.As(err, &failed) {
		t.Errorf("without a good release: %v", err)
	}
	l.works(t, "good")
	l.run(t)
	good := l.serving().Sum()
	l.stop(t)
	for _, text := range []string{"bad", "worse"} { // known to be bad; found to be bad
		l.write(t, text, "exit 3")
		l.run(t)
		if l.serving().Sum() != good || len(l.announcer.Warnings.List()) == 0 {
			t.Errorf("%s: the last good release does not serve", text)
		}
		l.stop(t)
	}
}

// TestAwait: a master whose sockets are open waits for something to start, and if that fails, for
// the next start.
func TestAwait(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.write(t, "bad", "exit 3")
	var failures atomic.Int32
	waits := make(chan struct{})
	l.o.Await = func(ctx context.Context, failed error) error {
		switch {
		case failed == nil:
			close(waits)
			return nil
		case failures.Add(1) == 1:
			l.works(t, "good")
		}
		return nil
	}
	l.run(t)
	<-waits
	if failures.Load() != 1 {
		t.Errorf("%d starts have failed", failures.Load())
	}
	l.stop(t)
}

// TestRequestsOfBothKinds: the reload of a SIGHUP is not dropped for rolls that do not read the
// configuration. A request that is dropped for that reload is not owed to the next master.
func TestRequestsOfBothKinds(t *testing.T) {
	t.Parallel()
	l := newLife(t)
	l.works(t, "first")
	l.run(t)
	done := l.box.hold() // no generation is prepared meanwhile
	l.requestRoll("new bytes")
	l.requestRoll("other bytes")
	l.requestRoll("the schedule")
	app := *l.loaded.Load()
	app.Workers = 3
	l.loaded.Store(&app)
	l.requestReload("a SIGHUP to the previous master")
	l.succession.Owed.Reload()
	l.requestReload(causeSignal)
	done()
	until(t, "the configuration is not read", func() bool {
		status, err := l.Status()
		return err == nil && status.Slots == 3 && l.succession.Owed.Reloads() == 0
	})
	l.stop(t)
}
