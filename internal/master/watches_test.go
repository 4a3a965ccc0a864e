package master

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"relevo/internal/announce"
	"relevo/internal/config"
	"relevo/internal/ipc"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/upgrader/listeners"
	"relevo/watch"
)

// tooLong is for what should end at once, even on a busy machine.
const tooLong = 2 * time.Minute

// fakePool has the workers that the test gives it, and notes which ones are to be replaced.
type fakePool struct {
	mu       sync.Mutex
	workers  []pool.Worker
	err      error
	recycled []string
	events   []pool.Event
}

func (p *fakePool) Status() (pool.Status, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return pool.Status{Workers: slices.Clone(p.workers)}, p.err
}

// Recycle replaces a worker at once.
func (p *fakePool) Recycle(id string, _ machine.Cause, reason string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recycled = append(p.recycled, id+": "+reason)
	for i, w := range p.workers {
		if w.ID == id {
			p.workers[i].ID, p.workers[i].Started = id+"b", time.Now()
		}
	}
	return nil
}

func (p *fakePool) Publish(e pool.Event) { p.events = append(p.events, e) }

func (p *fakePool) did() string { return strings.Join(p.recycled, ", ") }

func serving(id string, pid int) pool.Worker {
	return pool.Worker{ID: id, PID: pid, State: string(machine.Serving), Started: time.Now().Add(-time.Hour)}
}

// TestMemory: workers that serve and have grown beyond the limit are replaced, and no others.
func TestMemory(t *testing.T) {
	t.Parallel()
	starting := serving("4", 500)
	starting.State = string(machine.Starting)
	p := &fakePool{workers: []pool.Worker{serving("1", 100), serving("2", 300), serving("3", -1), starting}}
	app := config.Default()
	app.Limits.MaxMemory = 200 << 20
	w := memoryWatch{
		app: func() config.App { return app }, pool: func() tended { return p }, log: slog.New(slog.DiscardHandler),
		used: func(pid int) (int64, error) {
			if pid < 0 {
				return 0, errors.New("it has gone")
			}
			return int64(pid) << 20, nil
		},
	}
	if w.look(); p.did() != "2: uses 300 MiB, max_memory is 200 MiB" {
		t.Error(p.did())
	}
	p.err = pool.ErrNotRunning
	if w.look(); len(p.recycled) != 1 {
		t.Error("workers of a pool that stops are replaced")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.changed = func() <-chan struct{} { return nil }
	w.run(ctx)
}

// TestMender: damage is reported with its suspects. If a socket had to be reopened, the workers with
// the old one are replaced.
func TestMender(t *testing.T) {
	t.Parallel()
	p := &fakePool{workers: []pool.Worker{serving("1", 1), serving("2", 2), {State: string(machine.Backoff)}}}
	a := &announce.Announcer{Log: slog.New(slog.DiscardHandler)}
	m := mender{announcer: a, pool: func() tended { return p }, log: a.Log}
	h := listeners.Healed{Listener: "web", Address: "127.0.0.1:80", What: "shut down", At: time.Now()}
	m.healed(h, 3)
	h.Err = errors.New("no")
	m.healed(h, 1)
	if p.recycled != nil {
		t.Errorf("replaced: %v", p.recycled)
	}
	h.Err, h.Renewed, h.Outside = nil, true, true
	m.healed(h, 1)
	const reopened = "listener web (127.0.0.1:80) had to be reopened"
	if p.did() != "1: "+reopened+", 2: "+reopened {
		t.Error(p.did())
	}
	for i, want := range []string{
		"web (127.0.0.1:80): shut down by a worker, mended, the last of 3 times", "not mended: no", "by a new socket",
	} {
		if e := p.events[i]; e.Kind != pool.KindHealed || !strings.Contains(e.Text, want) {
			t.Errorf("%q, want %q", e.Text, want)
		}
	}
	if len(a.Warnings.List()) == 0 {
		t.Error("there is no warning of the damage")
	}
	p.err = pool.ErrNotRunning
	if m.healed(h, 1); len(p.events) != 3 {
		t.Error("damage is reported to a pool that has ended")
	}
}

// TestBytesChanged: bytes that are already known, from a look or because they failed, are not rolled
// to.
func TestBytesChanged(t *testing.T) {
	t.Parallel()
	m := beginner(t)
	first := m.serving()
	m.look(first)
	l := newLoop(m.core, m.rolls, m.requests, m.replacement) // the loop does not run: requests wait in it
	b := binaryWatch{m.log, m.changed.Wait, m.generations, func(c bytesChanged) { l.handle(c) }}
	m.announcer.Warnings.Set(announce.WatchWarning, "old")
	b.bytesChanged(watch.Change{Path: "/bin/true", Name: first.Sum(), SHA256: first.Sum()})
	if len(l.wanted) > 0 || len(m.announcer.Warnings.List()) > 0 {
		t.Errorf("there is a roll to what already serves: %v, %q", l.wanted, m.announcer.Warnings.List())
	}
	for name, cause := range map[string]string{
		"new": "the bytes of /bin/true changed", "dir": "/bin/true changed, or the directory that it lies in",
	} {
		l = newLoop(m.core, m.rolls, m.requests, m.replacement)
		b.bytesChanged(watch.Change{Path: "/bin/true", Name: name, SHA256: "new"})
		if len(l.wanted) != 1 || l.wanted[1].cause != cause {
			t.Errorf("%v", l.wanted)
		}
	}
	l = newLoop(m.core, m.rolls, m.requests, m.replacement)
	app := m.app()
	app.Command = []string{"/bin/false"}
	other, err := m.generations.Prepare(app, "")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	m.look(other)
	m.generations.NotStarted(first, "exit 1")
	b.bytesChanged(watch.Change{Path: "/bin/true", Name: first.Sum(), SHA256: first.Sum()})
	if len(l.wanted) > 0 {
		t.Errorf("there is a roll to bytes that have failed: %v", l.wanted)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b.run(ctx)
	b.watchFile(ctx, b.toWatch(), m.changed.Wait())
}

// TestOrphans: workers of a dead master that hold an address are named.
func TestOrphans(t *testing.T) {
	t.Parallel()
	s := strays{app: "web", notify: t.TempDir() + "/notify", log: slog.New(slog.DiscardHandler)}
	taken := fmt.Errorf("cannot listen: %w", syscall.EADDRINUSE)
	if err := s.explain(taken); err != taken {
		t.Errorf("without workers: %v", err)
	}
	worker := exec.Command("/bin/cat")
	worker.Env = []string{"NOTIFY_SOCKET=" + s.notify, ipc.EnvName + "=web", ipc.EnvWorker + "=7"}
	in, err := worker.StdinPipe()
	if err == nil {
		err = worker.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Wait()
	defer in.Close()
	for deadline := time.Now().Add(tooLong); len(s.orphans()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the worker is not found")
		}
	}
	if err := s.explain(taken); !strings.Contains(err.Error(), fmt.Sprintf("(kill %d)", worker.Process.Pid)) {
		t.Errorf("%v", err)
	}
	if id, found := workerOf(worker.Process.Pid, "web"); !found || id != "7" {
		t.Errorf("its id is %q", id)
	}
	if _, found := workerOf(worker.Process.Pid, "other"); found {
		t.Error("the worker counts as another app's")
	}
	if err := s.explain(os.ErrNotExist); err != os.ErrNotExist {
		t.Errorf("another error: %v", err)
	}
}
