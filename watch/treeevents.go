package watch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// treeEvents collects the paths of a tree's events.
type treeEvents struct {
	wake chan struct{} // one element

	fs      *fsnotify.Watcher // nil without events
	broken  error             // why fs is nil
	pumped  chan struct{}     // closed when the pump is gone
	watched map[string]bool   // belongs to the loop
	links   *linkEvents

	mu sync.Mutex
	touched
}

// touched is what the events since the last look have said.
type touched struct {
	paths map[string]touch
	first time.Time
	lost  bool // events are missing
}

// touch is what happened at a path.
type touch struct {
	created bool
	left    bool // the file has left the path: a watch on it is no watch on the path
}

func (t touch) and(o touch) touch { return touch{t.created || o.created, t.left || o.left} }

func newTreeEvents() *treeEvents {
	e := &treeEvents{wake: make(chan struct{}, 1), pumped: make(chan struct{}), watched: map[string]bool{}}
	e.paths = map[string]touch{}
	e.links = newLinkEvents(e.throughLink)
	if e.fs, e.broken = fsnotify.NewWatcher(); e.fs == nil {
		close(e.pumped)
		return e
	}
	go pump(e.fs.Events, e.fs.Errors, e.pumped, e.event, func() { e.note(func() { e.lost = true }) })
	return e
}

func (e *treeEvents) close() {
	e.links.close()
	if e.fs != nil {
		e.fs.Close()
	}
	<-e.pumped
}

func (e *treeEvents) event(event fsnotify.Event) {
	name := filepath.Clean(event.Name)
	now := touch{event.Has(fsnotify.Create), event.Has(fsnotify.Remove) || event.Has(fsnotify.Rename)}
	e.note(func() { e.paths[name] = e.paths[name].and(now) })
}

// throughLink takes an event of a link's target. The next look finds out what it means.
func (e *treeEvents) throughLink(path string, lost bool) {
	e.note(func() {
		if e.lost = e.lost || lost; !lost {
			e.paths[path] = touch{true, true}
		}
	})
}

func (e *treeEvents) note(what func()) {
	e.mu.Lock()
	if e.first.IsZero() {
		e.first = time.Now()
	}
	what()
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// take returns what was touched since the last call.
func (e *treeEvents) take() touched {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.touched
	e.touched = touched{paths: map[string]touch{}}
	return t
}

// watch adds a directory. Its error says why events from there cannot be trusted.
func (e *treeEvents) watch(dir string, throughLink bool) error {
	if e.fs == nil {
		return limitError(e.broken, 0)
	}
	if throughLink {
		return e.links.enter(dir)
	}
	if err := e.fs.Add(dir); err != nil {
		if passing(err) {
			return nil
		}
		return limitError(fmt.Errorf("cannot watch %s: %w", dir, err), len(e.watched))
	}
	e.watched[dir] = true
	if name := silentFilesystem(dir); name != "" {
		return fmt.Errorf("%s is on %s, which has no events for changes made elsewhere", dir, name)
	}
	return nil
}

func (e *treeEvents) forget(dir string) {
	e.links.forget(dir)
	if e.watched[dir] {
		_ = e.fs.Remove(dir) // fails if the directory was removed
		delete(e.watched, dir)
	}
}

func (e *treeEvents) count() int { return len(e.watched) + e.links.count() }

// limitError adds to an error that a limit of inotify has caused the value of the limit, and how
// to raise it.
func limitError(err error, watched int) error {
	name := ""
	switch {
	case errors.Is(err, syscall.ENOSPC):
		name = "max_user_watches"
	case errors.Is(err, syscall.EMFILE):
		name = "max_user_instances"
	default:
		return err
	}
	now, readErr := os.ReadFile("/proc/sys/fs/inotify/" + name)
	if readErr != nil {
		return err
	}
	raise := map[string]string{"max_user_watches": "1048576", "max_user_instances": "1024"}[name]
	return fmt.Errorf("%w (%d directories are watched here, fs.inotify.%s is %s for all programs of this user); "+
		"sudo sysctl -w fs.inotify.%s=%s",
		err, watched, name, strings.TrimSpace(string(now)), name, raise)
}
