package launch

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"relevo/internal/ipc"
	"relevo/internal/launch/store"
)

// Listener is a listening socket that every worker inherits. File must be non-blocking and
// not in the runtime's poller: otherwise (*os.File).Fd, which passes it to a child, makes
// the socket blocking in all processes that share it.
type Listener struct {
	Name    string
	Address string // as getsockname says it
	File    *os.File
}

// Options are what all workers of a master share.
type Options struct {
	SnapshotDir   string // where copies of executables go; empty: none are kept
	KeepReleases  int    // how many unused copies stay
	HashDir       string // of hashes that masters share, empty after a boot; empty: none are shared
	NotifySocket  string // path; empty: workers get none
	ControlSocket string // path of the master's control socket; empty: workers do not get it
	Streams       Streams
	Cgroups       Cgroups
	OOMScoreAdj   *int     // of workers whose limits name none; nil: as this process
	Children      Children // default: no other code of this process reaps children
	// ExecPatience is how long Start waits for the worker's program to run. A program that
	// fails to start later counts as a worker that has ended. Default: 10 s.
	ExecPatience time.Duration
	Keeper       Keeper       // of connections without a worker; nil: none
	Program      string       // the relevo whose shims start workers; default: this one
	Log          *slog.Logger // default: none
}

// Launcher starts workers. Its methods are safe for concurrent use.
type Launcher struct {
	opts Options
	self string // this binary, also after its file was replaced

	store *store.Store // nil: no copies
	// byDescriptor says that programs are run by their open file, so that the file cannot
	// be replaced between its last check and the exec.
	byDescriptor bool
	copyless     atomic.Bool            // the last release has no copy, and that was logged
	unrescuable  atomic.Bool            // connections cannot be kept, and that was logged
	uncaptured   atomic.Pointer[string] // why binds cannot be captured; nil: they can, as far as is known

	noNewPrivs atomic.Bool // the kernel required it for the capture of binds

	shared    sharedData // of Node's workers
	handovers handovers  // of their connections
	kept      keptConnections
	primary   sync.Once // logs that a script's branch for the primary does not run
	sent      sync.Once // warns about handles that workers send with their messages
	oldNode   sync.Once // warns about Node's version
	preload   preloadFile

	starts, looks gate
	oom           oomWatch

	mu       sync.Mutex
	byPID    map[int]*Process
	expected expectedWorkers // under mu
}

// New returns a launcher. It fails if this program cannot find its own file, because each
// worker's shim is that.
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
	if o.ExecPatience == 0 {
		o.ExecPatience = 10 * time.Second
	}
	if o.Children == nil {
		o.Children = undisturbed{}
	}
	self, err := o.Program, error(nil)
	if self == "" {
		self, err = selfPath()
	}
	if err != nil {
		return nil, fmt.Errorf("cannot find this program's own file: %w", err)
	}
	l := &Launcher{opts: o, self: self, byDescriptor: execsByDescriptor(), byPID: map[int]*Process{},
		starts: newGate(startsAtOnce), looks: newGate(looksAtOnce), kept: keptConnections{keeper: o.Keeper}}
	l.oom.look()
	o.Cgroups.clear()
	if o.SnapshotDir != "" {
		if l.store, err = store.Open(o.SnapshotDir, o.KeepReleases, o.Log); err == nil && o.HashDir != "" {
			l.store.ShareHashes(o.HashDir)
		}
	}
	return l, err
}

func (l *Launcher) warn(message string, args ...any) { l.opts.Log.Warn(message, args...) }

// Store returns the store of the copies of executables, nil if none are kept.
func (l *Launcher) Store() *store.Store { return l.store }

// Notified hands a datagram of the notify socket to the worker that sent it: the
// sender must be the worker itself or one of its process group.
func (l *Launcher) Notified(from ipc.Sender, n ipc.Notification) {
	l.mu.Lock()
	p := l.senderLocked(from)
	kept := p == nil && l.expected.keep(from, n)
	l.mu.Unlock()
	switch {
	case p != nil:
		p.notified(n)
	case !kept:
		l.warn("a notification came from a process that is no worker", "pid", from.PID, "uid", from.UID)
	}
}

func (l *Launcher) senderOf(from ipc.Sender) *Process {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.senderLocked(from)
}

func (l *Launcher) senderLocked(from ipc.Sender) *Process {
	if from.PID == 0 { // the sender is in a pid namespace that this process cannot see
		return nil
	}
	p := l.byPID[from.PID]
	if p == nil {
		p = l.byPID[processGroup(from.PID)]
	}
	return p
}

// Flooded is called when a process floods the notify socket.
func (l *Launcher) Flooded(from ipc.Sender, f ipc.Flood) {
	p := l.senderOf(from)
	if p == nil {
		l.warn("a process that is no worker floods the notify socket", "pid", from.PID, "uid", from.UID, "dropped", f.Count)
		return
	}
	p.flooded(f)
}

// SlowlyClosed is called when a process sends descriptors to the notify socket whose close
// blocks.
func (l *Launcher) SlowlyClosed(from ipc.Sender) {
	p := l.senderOf(from)
	if p == nil {
		l.warn("a process that is no worker sends descriptors that do not close", "pid", from.PID, "uid", from.UID)
		return
	}
	p.slowlyClosed()
}

func (l *Launcher) register(p *Process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.byPID[p.pid] = p
	for _, n := range l.expected.take(p.pid) {
		p.notified(n) // which keeps it until Online is reported
	}
}

func (l *Launcher) unregister(p *Process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byPID[p.pid] == p { // the pid may already belong to another worker
		delete(l.byPID, p.pid)
	}
}
