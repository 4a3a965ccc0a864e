package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// hints watches the places that a path depends on, and says that something happened there.
// The reader has to look up what: events are late, come twice, and may be about inodes that
// have left their path.
type hints struct {
	wake chan struct{} // one element: many events make one hint

	fs     *fsnotify.Watcher // nil without events
	broken error             // why fs is nil
	pumped chan struct{}     // closed when the pump is gone

	nodes  map[string]node   // watches in place; only the reader uses it
	silent map[string]string // places on a file system without events, with its name

	mu    sync.Mutex
	names map[string]struct{} // look-ups whose events matter
	stale map[string]struct{} // places whose watch has to be renewed
}

func newHints() *hints {
	h := &hints{
		wake:   make(chan struct{}, 1),
		pumped: make(chan struct{}),
		nodes:  map[string]node{},
		silent: map[string]string{},
		stale:  map[string]struct{}{},
	}
	if eventsWork {
		h.fs, h.broken = fsnotify.NewWatcher()
	} else {
		h.broken = errors.New("file events are not used on this platform")
	}
	if h.fs == nil {
		close(h.pumped)
		return h
	}
	go pump(h.fs.Events, h.fs.Errors, h.pumped, h.event, h.lost)
	return h
}

// close returns when all goroutines of h have ended.
func (h *hints) close() {
	if h.fs != nil {
		h.fs.Close()
	}
	<-h.pumped
}

func (h *hints) event(e fsnotify.Event) {
	name := filepath.Clean(e.Name) // "/" + "/x" for entries of the root
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.Has(fsnotify.Create) || e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
		h.stale[name] = struct{}{} // its watch is on the inode that has left the path
	}
	if _, ok := h.names[name]; !ok {
		delete(h.stale, name)
		return
	}
	h.hint()
}

// lost renews all watches: after an overflow of the kernel's queue, or an error, any event
// may be missing.
func (h *hints) lost() {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.Copy(h.stale, h.names)
	h.hint()
}

func (h *hints) hint() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// look resolves path, and watches what path and ways depend on. What it returns was seen
// after all watches were in place, so a later change gives a hint.
func (h *hints) look(path string, ways ...string) (resolution, error) {
	for range 20 {
		r := resolve(path)
		added, trouble := h.follow(r.with(ways))
		if !added {
			return r, trouble
		}
	}
	h.hint() // the path changes faster than it can be looked at
	return resolve(path), nil
}

// follow adds and removes watches until they are those that r needs. added means that r may
// be out of date, because a watch is new. trouble means that events may be missing.
func (h *hints) follow(r resolution) (added bool, trouble error) {
	stale, added := h.expect(r.names)
	if h.fs == nil {
		return added, h.broken
	}
	h.forgetOld(stale, r.nodes)
	for path, n := range r.nodes {
		new, err := h.add(path, n)
		added = added || new
		if err != nil {
			trouble = err
		}
	}
	if trouble == nil {
		trouble = h.untrusted()
	}
	return added, trouble
}

// expect sets the names that matter. It returns the stale places, and whether one of the
// names is new.
func (h *hints) expect(names map[string]struct{}) (stale map[string]struct{}, added bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	stale, h.stale = h.stale, map[string]struct{}{}
	for name := range names {
		if _, ok := h.names[name]; !ok {
			added = true
		}
	}
	h.names = names
	return stale, added
}

// forgetOld ends the watches that are no longer right. This comes before new watches are
// added: fsnotify keeps one path for each inode, so a directory that was moved cannot be
// watched under its new path before its old paths are removed.
func (h *hints) forgetOld(stale map[string]struct{}, wanted map[string]node) {
	gone := map[node]bool{}
	for path, n := range h.nodes {
		if _, old := stale[path]; old || wanted[path] != n {
			gone[n] = true
		}
	}
	for path, n := range h.nodes {
		if gone[n] {
			h.forget(path)
		}
	}
}

func (h *hints) forget(path string) {
	// fsnotify has dropped the watch already if the file was removed or moved.
	_ = h.fs.Remove(path)
	delete(h.nodes, path)
	delete(h.silent, path)
}

func (h *hints) add(path string, n node) (added bool, err error) {
	if _, ok := h.nodes[path]; ok {
		return false, nil
	}
	err = h.fs.Add(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return true, nil // replaced since it was seen
	case err != nil:
		return false, addError(path, err)
	}
	h.nodes[path] = n
	if name := silentFilesystem(path); name != "" {
		h.silent[path] = name
	}
	return true, nil
}

// untrusted returns a reason why events of the watches in place may be missing.
func (h *hints) untrusted() error {
	for path, name := range h.silent {
		return fmt.Errorf("%s is on %s, which has no events for changes made elsewhere", path, name)
	}
	seen := map[node]string{}
	for path, n := range h.nodes {
		if other, ok := seen[n]; ok {
			return fmt.Errorf("%s and %s are the same directory (a bind mount), which has one watch only", path, other)
		}
		seen[n] = path
	}
	return nil
}

func addError(path string, err error) error {
	err = fmt.Errorf("cannot watch %s: %w", path, err)
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w; raise the limit: sysctl fs.inotify.max_user_watches", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; events need read permission there", err)
	}
	return err
}
