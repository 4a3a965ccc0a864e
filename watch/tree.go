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
	// Debounce is how long no event must come before the files are looked at;
	// default 50 ms.
	Debounce time.Duration
	// DebounceMax bounds the wait while events keep coming; default 5 s.
	DebounceMax time.Duration
	// Poll is how often everything is looked at without an event. 0 means never
	// where events can be trusted and every 500 ms elsewhere; a negative value
	// means never.
	Poll time.Duration
	// Log gets a line when the watch changes its ways; default none.
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

// Batch is what changed at once.
type Batch struct {
	// Paths are the files whose bytes are others now, that came or went; sorted.
	// None: something was going on, and all is as it was.
	Paths []string
	First time.Time // of the first event
	Sent  time.Time // when all was quiet and had been looked at
}

// Tree watches the files of a Set.
type Tree struct {
	opts     TreeOptions
	changes  chan Batch // capacity 1: a batch that was not taken grows
	requests chan func(*treeLoop)
	mu       sync.Mutex
	stirring bool          // under mu
	ended    chan struct{} // closed when Run has ended
	loop     *treeLoop     // until Run
	watches  atomic.Int64
	files    atomic.Int64
}

// NewTree begins to watch and takes the files as they are now for unchanged. It
// fails for a pattern that is none.
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

// Changes returns the channel on which Run sends. One batch waits there: what
// changes before it is taken is added to it. It is never closed.
func (t *Tree) Changes() <-chan Batch { return t.changes }

// Stirring says whether something has happened that was not looked at yet: a
// Batch, with or without paths, is going to come.
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

// List returns the files that matter, sorted. It is for before Run.
func (t *Tree) List() []string { return slices.Sorted(maps.Keys(t.loop.known.files)) }

// Watches is the number of directories that are watched, Files that of the files
// that matter.
func (t *Tree) Watches() int { return int(t.watches.Load()) }

// Files is the number of files that matter.
func (t *Tree) Files() int { return int(t.files.Load()) }

// Watch replaces the set. It returns when the new one is watched.
func (t *Tree) Watch(ctx context.Context, set Set) {
	t.request(ctx, func(l *treeLoop) { l.choose(set) })
}

// Sync looks at all files now and returns what has changed and was not sent yet.
func (t *Tree) Sync(ctx context.Context) (changed []string) {
	t.request(ctx, func(l *treeLoop) { changed = l.sync() })
	return changed
}

// request has the loop run a function, unless it has ended.
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

// Run watches until ctx ends, and returns when all its goroutines are gone. It is
// called once.
func (t *Tree) Run(ctx context.Context) {
	defer close(t.ended)
	defer t.loop.close()
	t.loop.run(ctx)
}

// send adds to the batch that waits, or leaves one, and says that all is quiet. Who
// has taken the batch finds it said.
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
