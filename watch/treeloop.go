package watch

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// treeLoop is one Run of a Tree: the only owner of what is known of its files.
type treeLoop struct {
	tree   *Tree
	log    *slog.Logger
	events *treeEvents
	set    Set
	sel    *selection
	known  *contents
	dirs   map[string]node // directories that were entered
	heads  map[string]bool // existing directories above a base that is missing
	closed map[string]bool // directories that may not be read, which was said

	pending map[string]bool // paths to look at; true: what was there has gone
	all     bool            // look at everything
	first   time.Time
	quiet   quiet
	git     bool // was at work
	timer   *time.Timer

	poll      *time.Ticker // nil: events can be trusted
	polled    <-chan time.Time
	untrusted map[string]string // directories whose events do not tell all, and why
	trouble   string            // what was said of that
}

func newTreeLoop(t *Tree) *treeLoop {
	l := &treeLoop{
		tree: t, log: t.opts.Log, events: newTreeEvents(), known: newContents(),
		dirs: map[string]node{}, heads: map[string]bool{}, closed: map[string]bool{}, pending: map[string]bool{},
		untrusted: map[string]string{},
		quiet:     quiet{min: t.opts.Debounce, max: t.opts.DebounceMax}, timer: time.NewTimer(time.Hour),
	}
	l.timer.Stop()
	return l
}

func (l *treeLoop) close() {
	l.timer.Stop()
	if l.poll != nil {
		l.poll.Stop()
	}
	l.events.close()
}

func (l *treeLoop) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.events.wake:
			l.take(l.events.take())
		case do := <-l.tree.requests:
			do(l)
		case now := <-l.polled:
			l.lookAround(now)
		case <-l.timer.C:
			l.due()
		}
	}
}

// take notes which events concern the set.
func (l *treeLoop) take(t touched) {
	stirred := t.lost
	l.all = l.all || t.lost
	for path, touch := range t.paths {
		if l.concerns(path, touch.created) {
			l.pending[path], stirred = l.pending[path] || touch.left, true
		}
	}
	if stirred {
		l.stir(t.first)
	}
}

// concerns says whether an event at a path can mean a change.
func (l *treeLoop) concerns(path string, created bool) bool {
	if _, known := l.known.files[path]; known {
		return true
	}
	if _, entered := l.dirs[path]; entered || l.heads[path] {
		return true
	}
	dir := filepath.Dir(path)
	if _, entered := l.dirs[dir]; entered && l.sel.ignore != nil && isIgnoreFile(filepath.Base(path)) {
		return true
	}
	if !created {
		return l.sel.file(path)
	}
	if l.heads[dir] && slices.ContainsFunc(l.sel.bases(), func(base string) bool {
		_, ok := under(path, base)
		return ok
	}) {
		return true
	}
	return l.sel.file(path) || l.sel.dir(path)
}

func (l *treeLoop) stir(at time.Time) {
	now := time.Now()
	if l.first.IsZero() {
		l.first = at
	}
	l.tree.stir()
	l.quiet.hint(now)
	l.timer.Reset(l.quiet.wait(now))
}

// gitPause is how long git is waited for.
const gitPause = 20 * time.Millisecond

// due looks at what was touched. Where git is in the middle of writing a tree the
// rest of it is waited for, however long its pauses are.
func (l *treeLoop) due() {
	now := time.Now()
	patient := now.Sub(l.quiet.first) < l.quiet.max
	select {
	case <-l.events.wake: // the clock was faster than the events
		if l.take(l.events.take()); patient {
			l.timer.Reset(l.quiet.wait(now))
			return
		}
	default:
	}
	if patient && l.gitAtWork() {
		l.git = true
		l.timer.Reset(max(gitPause, l.quiet.min/2))
		return
	}
	if l.git && patient { // the last of what it wrote is on its way
		l.git = false
		l.quiet.hint(now)
		l.timer.Reset(l.quiet.wait(now))
		return
	}
	l.git = false
	first := l.first
	changed := l.look()
	l.tree.send(Batch{Paths: changed, First: first, Sent: time.Now()})
}

// gitAtWork says whether git holds the lock of an index: while it switches
// branches, merges or rebases.
func (l *treeLoop) gitAtWork() bool {
	return slices.ContainsFunc(l.sel.locks, func(lock string) bool { _, err := os.Lstat(lock); return err == nil })
}

// gitDir is the .git of a working tree; in one of several it is a file that names
// the place.
func gitDir(root string) string {
	dir := filepath.Join(root, ".git")
	if text, err := os.ReadFile(dir); err == nil {
		if name, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "gitdir: "); ok {
			if !filepath.IsAbs(name) {
				name = filepath.Join(root, name)
			}
			return name
		}
	}
	return dir
}

// sync is look without a wait, at everything.
func (l *treeLoop) sync() []string {
	l.take(l.events.take())
	l.all = true
	changed := l.look()
	l.tree.mu.Lock()
	defer l.tree.mu.Unlock()
	l.tree.stirring = false
	select {
	case old := <-l.tree.changes:
		changed = union(old.Paths, changed)
	default:
	}
	return changed
}

// look returns what changed among the paths touched, or among all.
func (l *treeLoop) look() (changed []string) {
	pending, all := l.pending, l.all
	l.pending, l.all, l.first = map[string]bool{}, false, time.Time{}
	l.quiet.clear()
	l.timer.Stop()
	for path := range pending {
		if _, entered := l.dirs[filepath.Dir(path)]; entered && isIgnoreFile(filepath.Base(path)) && l.sel.ignore != nil {
			l.sel, all = newSelection(l.set), true // what is ignored is another set now
		}
	}
	s := &scan{loop: l, changed: map[string]bool{}}
	// What is gone first: a directory that moved has to be forgotten under its old
	// path to be watched under the new one.
	for path, left := range pending {
		s.forget(path, left)
	}
	if all {
		s.everything()
	} else {
		for path := range pending {
			s.path(path)
		}
		s.bases()
	}
	return s.end()
}

// choose replaces the set.
func (l *treeLoop) choose(set Set) {
	first := l.sel == nil
	if !first {
		l.take(l.events.take())
	}
	l.set, l.sel = set, newSelection(set)
	s := &scan{loop: l, changed: map[string]bool{}, since: set.Since, quiet: true}
	s.everything()
	changed := s.end()
	if !first && len(changed) > 0 {
		now := time.Now()
		l.tree.send(Batch{Paths: changed, First: now, Sent: now})
	}
}

// lookAround is a poll: it looks for paths that are not as they were.
func (l *treeLoop) lookAround(now time.Time) {
	s := &scan{loop: l, changed: map[string]bool{}, glance: true}
	s.everything()
	for path := range s.changed {
		l.pending[path] = true
	}
	l.all = l.all || s.entered > 0
	if len(s.changed) > 0 || s.entered > 0 {
		l.stir(now)
	}
	if l.poll != nil {
		l.poll.Reset(max(l.every(), 20*time.Since(now))) // a large tree is looked at less often
	}
}
