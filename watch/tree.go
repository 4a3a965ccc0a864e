package watch

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// TreeOptions are the settings of a Tree.
type TreeOptions struct {
	// Set says which files matter at first.
	Set Set
	// Debounce is how long no event may come before the files are looked at. Default:
	// 50 ms.
	Debounce time.Duration
	// DebounceMax limits the wait while events keep coming. Default: 5 s.
	DebounceMax time.Duration
	// Poll is how often everything is looked at without an event. 0 means never if events
	// can be trusted, and otherwise every 500 ms. A negative value means never.
	Poll time.Duration
	// Log gets a line when polling starts or stops. Default: none.
	Log *slog.Logger
}

func (o TreeOptions) withDefaults() TreeOptions {
	if o.Debounce <= 0 {
		o.Debounce = 50 * time.Millisecond
	}
	if o.DebounceMax <= 0 {
		o.DebounceMax = max(5*time.Second, 2*o.Debounce)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Batch is a set of files that have changed at about the same time.
type Batch struct {
	// Paths are the files that have other bytes, that are new, or that were removed;
	// sorted. If it is empty, there were events, but no file has changed.
	Paths []string
	First time.Time // of the first event
	Sent  time.Time // when the quiet period was over and the files were looked at
}

// Tree watches the files of a Set.
type Tree struct {
	opts     TreeOptions
	changes  chan Batch // capacity 1: further changes are added to a batch that waits
	requests chan func(*treeLoop)
	mu       sync.Mutex
	stirring bool          // under mu
	ended    chan struct{} // closed when Run has ended
	loop     *treeLoop     // until Run
	watches  atomic.Int64
	files    atomic.Int64
}

// NewTree begins to watch. The files as they are now count as unchanged. It fails if a
// pattern is not valid.
func NewTree(o TreeOptions) (*Tree, error) {
	for _, pattern := range slices.Concat(o.Set.Globs, o.Set.Exact, o.Set.Not) {
		if err := Check(pattern); err != nil {
			return nil, err
		}
	}
	t := &Tree{
		opts: o.withDefaults(), changes: make(chan Batch, 1), requests: make(chan func(*treeLoop)),
		ended: make(chan struct{}),
	}
	t.loop = newTreeLoop(t)
	t.loop.choose(o.Set)
	return t, nil
}

// Changes returns the channel on which Run sends. It holds one batch, to which further
// changes are added until it is received. The channel is never closed.
func (t *Tree) Changes() <-chan Batch { return t.changes }

// Stirring says whether there were events whose files were not looked at yet. If so, a Batch
// follows, with or without paths.
func (t *Tree) Stirring() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stirring
}

func (t *Tree) stir() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stirring = true
}

// List returns the files that matter, sorted. It may be called only before Run.
func (t *Tree) List() []string { return slices.Sorted(maps.Keys(t.loop.known.files)) }

// Watches returns the number of watched directories.
func (t *Tree) Watches() int { return int(t.watches.Load()) }

// Files returns the number of files that matter.
func (t *Tree) Files() int { return int(t.files.Load()) }

// Watch replaces the set. It returns when the new set is watched.
func (t *Tree) Watch(ctx context.Context, set Set) {
	t.request(ctx, func(l *treeLoop) { l.choose(set) })
}

// Sync looks at all files now. It returns those that have changed and were not sent yet.
func (t *Tree) Sync(ctx context.Context) (changed []string) {
	t.request(ctx, func(l *treeLoop) { changed = l.sync() })
	return changed
}

// request lets the loop run a function, unless the loop has ended.
func (t *Tree) request(ctx context.Context, do func(*treeLoop)) {
	done := make(chan struct{})
	select {
	case t.requests <- func(l *treeLoop) { do(l); close(done) }:
	case <-ctx.Done():
		return
	case <-t.ended:
		return
	}
	<-done
}

// Run watches until ctx ends, and returns when all its goroutines have ended. It is called
// once.
func (t *Tree) Run(ctx context.Context) {
	defer close(t.ended)
	defer t.loop.close()
	t.loop.run(ctx)
}

// send adds to the batch that waits, or sends a new one. Stirring becomes false before a
// reader can have the batch.
func (t *Tree) send(b Batch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stirring = false
	for {
		select {
		case t.changes <- b:
			return
		default:
		}
		select {
		case old := <-t.changes:
			b.Paths = union(old.Paths, b.Paths)
			if old.First.Before(b.First) {
				b.First = old.First
			}
		default:
		}
	}
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
