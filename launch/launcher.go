package launch

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"relevo/ipc"
)

// Listener is a listening socket that every worker inherits. File must not be in
// the runtime's poller and must be non-blocking; os/exec-style starting would
// otherwise make the shared socket blocking for everybody.
type Listener struct {
	Name    string
	Address string // as getsockname says it
	File    *os.File
}

// Options are what all workers of a master share.
type Options struct {
	SnapshotDir  string // where copies of executables go
	NotifySocket string // path; empty: workers get none
	Streams      Streams
	Log          *slog.Logger // default: none
}

// Launcher starts workers. Its methods are safe for concurrent use.
type Launcher struct {
	opts Options
	self string // this binary, also after its file was replaced

	// copying is held for as long as a copy takes, which keeps nobody else waiting.
	copying   sync.Mutex
	snapshots map[string]int // releases that hold a copy, by path

	mu    sync.Mutex
	byPID map[int]*Process
}

// New returns a launcher. The path of this program must be known, for it starts
// itself.
func New(o Options) (*Launcher, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Streams.Out == nil {
		o.Streams.Out = io.Discard
	}
	if o.Streams.Err == nil {
		o.Streams.Err = io.Discard
	}
	self, err := selfPath()
	if err != nil {
		return nil, fmt.Errorf("cannot find this program's own file: %w", err)
	}
	l := &Launcher{opts: o, self: self, snapshots: map[string]int{}, byPID: map[int]*Process{}}
	return l, l.clearSnapshots()
}

func (l *Launcher) warn(message string, args ...any) { l.opts.Log.Warn(message, args...) }

// snapshotOf takes a release's copy and counts it.
func (l *Launcher) snapshotOf(r *Release) (snapshot, error) {
	l.copying.Lock()
	defer l.copying.Unlock()
	if l.opts.SnapshotDir == "" {
		return takeSnapshot(r.file, os.DevNull, "")
	}
	s, err := takeSnapshot(r.file, l.opts.SnapshotDir, filepath.Base(r.path))
	if s.path != "" {
		l.snapshots[s.path]++
	}
	return s, err
}

func (l *Launcher) dropSnapshot(r *Release) {
	l.copying.Lock()
	defer l.copying.Unlock()
	path := r.copied.path
	if path == "" {
		return
	}
	if l.snapshots[path]--; l.snapshots[path] <= 0 {
		delete(l.snapshots, path)
		os.Remove(path)
		os.Remove(filepath.Dir(path)) // fails, rightly, if another name is in it
	}
}

// clearSnapshots removes what an earlier master left behind; the lock of the app
// makes sure that no other one lives.
func (l *Launcher) clearSnapshots() error {
	if l.opts.SnapshotDir == "" {
		return nil
	}
	if err := os.RemoveAll(l.opts.SnapshotDir); err != nil && !errors.Is(err, os.ErrPermission) {
		l.warn("cannot clear old copies of executables", "dir", l.opts.SnapshotDir, "err", err)
	}
	return nil
}

// Notified hands a datagram of the notify socket to the worker that sent it: the
// sender must be the worker itself or one of its process group.
func (l *Launcher) Notified(from ipc.Sender, n ipc.Notification) {
	l.mu.Lock()
	p := l.byPID[from.PID]
	if p == nil && from.PID != 0 { // 0: a process that this one cannot see
		p = l.byPID[processGroup(from.PID)]
	}
	l.mu.Unlock()
	if p == nil {
		l.warn("a notification came from a process that is no worker", "pid", from.PID, "uid", from.UID)
		return
	}
	p.notified(n)
}

func (l *Launcher) register(p *Process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.byPID[p.pid] = p
}

func (l *Launcher) unregister(p *Process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byPID[p.pid] == p { // the pid may be another worker's already
		delete(l.byPID, p.pid)
	}
}
