package reaper

import (
	"log/slog"
	"sync"
)

// Options of a Reaper. The zero value works.
type Options struct {
	Log *slog.Logger // default: none
}

// Reaper knows which children are this process's own. Its methods are safe for
// concurrent use and work whether or not Run is running.
type Reaper struct {
	log   *slog.Logger
	again chan struct{} // capacity 1: there may be an orphan to reap

	mu    sync.Mutex
	own   map[int]struct{} // by pid: own children that are not reaped yet
	holds int              // calls under way during which an own child may look like an orphan
}

// New returns a reaper without children.
func New(o Options) *Reaper {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Reaper{log: o.Log, again: make(chan struct{}, 1), own: map[int]struct{}{}}
}

// Start calls start, which makes a child, and registers it. The error is start's.
func (r *Reaper) Start(start func() (pid int, err error)) error {
	resume := r.Pause()
	defer resume()
	pid, err := start()
	if err == nil {
		r.Register(pid)
	}
	return err
}

// Register adds a child that was not made in Start: one that this process had before it replaced
// its own program by exec.
func (r *Reaper) Register(pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.own[pid] = struct{}{}
}

// Reap calls reap, which waits for an own child that is already dead. The child is forgotten first,
// because the kernel may use the pid again as soon as reap has returned.
func (r *Reaper) Reap(pid int, reap func()) {
	resume := r.Pause()
	defer resume()
	r.mu.Lock()
	delete(r.own, pid)
	r.mu.Unlock()
	reap()
}

// Pause prevents reaping until resume is called, for children that other code starts and waits for.
// It does not wait, except for a sweep under way.
func (r *Reaper) Pause() (resume func()) {
	r.mu.Lock()
	r.holds++
	r.mu.Unlock()
	return sync.OnceFunc(func() {
		r.mu.Lock()
		r.holds--
		r.mu.Unlock()
		r.lookAgain()
	})
}

// lookAgain never blocks: a token that is there already stands for this one, too.
func (r *Reaper) lookAgain() {
	select {
	case r.again <- struct{}{}:
	default:
	}
}
