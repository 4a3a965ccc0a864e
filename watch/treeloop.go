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

// treeLoop is one Run of a Tree. Only it uses what is known of the files.
type treeLoop struct {
	tree   *Tree
	log    *slog.Logger
	events *treeEvents
	set    Set
	sel    *selection
	known  *contents
	dirs   map[string]node // directories that were entered
	heads  map[string]bool // existing directories above a base that is missing
	closed map[string]bool // directories that may not be read, for which a warning was logged

	pending map[string]bool // paths to look at; true: what was there has gone
	all     bool            // look at everything
	first   time.Time
	quiet   quiet
	git     bool // git was at work at the last look
	timer   *time.Timer

	poll      *time.Ticker // nil: events can be trusted
	polled    <-chan time.Time
	untrusted map[string]string // directories whose events may be missing, with the reason
	trouble   string            // the reason that was logged last
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

// While git has locked its index, it is looked at again after gitPause. If the tree is silent for
// DebounceMax, or still changes after gitMax, the lock counts as left behind by a git that was killed.
const (
	gitPause = 20 * time.Millisecond
	gitMax   = 2 * time.Minute
)

// due looks at what was touched. While git is writing a tree, it waits for the rest, however
// long git pauses.
func (l *treeLoop) due() {
	now := time.Now()
	select {
	case <-l.events.wake: // more events have come
		l.take(l.events.take())
		if l.timer.Reset(l.quiet.wait(now)); l.quiet.wait(now) > 0 {
			return
		}
	default:
	}
	working := l.gitAtWork()
	switch {
	case working && now.Sub(l.quiet.last) < l.quiet.max && now.Sub(l.quiet.first) < gitMax:
		l.git = true
		l.timer.Reset(max(gitPause, l.quiet.min/2))
		return
	case l.git && !working: // git has just finished: its last events are on their way
		l.git = false
		l.quiet.clear()
		l.quiet.hint(now)
		l.timer.Reset(l.quiet.wait(now))
		return
	}
	l.git = false
	first := l.first
	changed := l.look()
	l.tree.send(Batch{Paths: changed, First: first, Sent: time.Now()})
}

// gitAtWork says whether git holds the lock of an index, as it does while it switches
// branches, merges or rebases.
func (l *treeLoop) gitAtWork() bool {
	return slices.ContainsFunc(l.sel.locks, func(lock string) bool { _, err := os.Lstat(lock); return err == nil })
}

// gitDir returns the git directory of a working tree. In a tree of "git worktree", .git is a
// file that names it.
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

// sync looks at everything at once.
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

// look returns which of the touched paths, or of all, have changed.
func (l *treeLoop) look() (changed []string) {
	pending, all := l.pending, l.all
	l.pending, l.all, l.first = map[string]bool{}, false, time.Time{}
	l.quiet.clear()
	l.timer.Stop()
	for path := range pending {
		if _, entered := l.dirs[filepath.Dir(path)]; entered && isIgnoreFile(filepath.Base(path)) && l.sel.ignore != nil {
			l.sel, all = newSelection(l.set), true // an ignore file has changed
		}
	}
	s := &scan{loop: l, changed: map[string]bool{}}
	// Removed paths come first: a directory that was moved cannot be watched under its new
	// path before its old path is forgotten.
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

// lookAround is one poll: it looks for paths that have changed.
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
