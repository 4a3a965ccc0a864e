package watch

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"relevo/internal/testbuffer"
)

// treeRig is a Tree that runs.
type treeRig struct {
	t    *testing.T
	dir  string
	tree *Tree
	log  *testbuffer.Buffer

	listed []string // what it found at first
}

// watchTree runs a Tree on patterns below dir; a pattern with ! excludes files.
func watchTree(t *testing.T, dir string, o TreeOptions, patterns ...string) *treeRig {
	t.Helper()
	for _, p := range patterns {
		if rest, not := strings.CutPrefix(p, "!"); not {
			o.Set.Not = append(o.Set.Not, Escape(dir)+"/"+rest)
		} else {
			o.Set.Globs = append(o.Set.Globs, Escape(dir)+"/"+p)
		}
	}
	if o.Debounce == 0 {
		o.Debounce = 20 * time.Millisecond
	}
	r := &treeRig{t: t, dir: dir, log: &testbuffer.Buffer{}}
	o.Log = slog.New(slog.NewTextHandler(r.log, nil))
	tree, err := NewTree(o)
	if err != nil {
		t.Fatal(err)
	}
	r.tree, r.listed = tree, tree.List()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); tree.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return r
}

// next waits for a batch with paths, and returns them relative to the directory.
func (r *treeRig) next() []string {
	r.t.Helper()
	giveUp := time.After(tooLong)
	for {
		select {
		case b := <-r.tree.Changes():
			if len(b.Paths) > 0 {
				return r.relative(b.Paths)
			}
		case <-giveUp:
			r.t.Fatalf("no change was told; log:\n%s", r.log.String())
		}
	}
}

// until collects batches until all wanted paths have come, and returns all that came.
func (r *treeRig) until(want ...string) (got []string) {
	r.t.Helper()
	slices.Sort(want)
	for !slices.Equal(got, want) {
		got = union(got, r.next())
		for _, path := range got {
			if !slices.Contains(want, path) {
				r.t.Fatalf("%s changed as well; wanted %q", path, want)
			}
		}
	}
	return got
}

func (r *treeRig) relative(paths []string) (all []string) {
	for _, p := range paths {
		rel, _ := under(r.dir, p)
		all = append(all, rel)
	}
	return all
}

// edit runs a script while the loop is stopped, so that the tree is looked at only after the
// script's last step, however slow the script is.
func (r *treeRig) edit(script string) {
	r.t.Helper()
	var err error
	r.tree.request(context.Background(), func(*treeLoop) { err = runScript(r.dir, script) })
	if err != nil {
		r.t.Fatal(err)
	}
}

// nothingElse makes a last change and checks that no other one is reported.
func (r *treeRig) nothingElse() {
	r.t.Helper()
	r.edit(`date +%N >last.txt; echo "$$" >>last.txt`)
	r.until("last.txt")
}

// plainTree is what most tests begin with.
func plainTree(t *testing.T) string {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sh(t, dir, `mkdir -p sub/deep other; echo one >a.txt; echo two >sub/b.txt; echo three >sub/deep/c.txt; `+
		`echo x >other/d.txt; echo bin >a.out`)
	return dir
}

// TestTreeEdits: which of the things that people and editors do to files are changes.
func TestTreeEdits(t *testing.T) {
	for _, edit := range treeEdits {
		t.Run(edit.name, func(t *testing.T) {
			t.Parallel()
			r := watchTree(t, plainTree2(t), TreeOptions{}, "**/*.txt")
			r.edit(edit.do)
			if edit.want != nil {
				r.until(edit.want...)
			}
			r.nothingElse()
			r.alive()
		})
	}
}

// alive changes every file and waits until each is reported.
func (r *treeRig) alive() {
	r.t.Helper()
	r.until(r.changeAll()...)
}

// changeAll adds a line to every file, and returns their paths.
func (r *treeRig) changeAll() []string {
	r.t.Helper()
	r.edit(`find . -name '*.txt' -type f | while read -r f; do echo again >>"$f"; done`)
	return strings.Fields(shOut(r.t, r.dir, `find . -name '*.txt' -type f -printf '%P\n'`))
}

// TestTreeSlowEdits: if the tree is looked at after each step of an edit, it knows the same
// files in the end as a new watch.
func TestTreeSlowEdits(t *testing.T) {
	for _, edit := range treeEdits {
		t.Run(edit.name, func(t *testing.T) {
			t.Parallel()
			dir := plainTree2(t)
			r := watchTree(t, dir, TreeOptions{}, "**/*.txt")
			for step := range strings.SplitSeq(edit.do, "; ") {
				sh(t, dir, step)
				r.tree.Sync(context.Background())
			}
			var known []string
			r.tree.request(context.Background(), func(l *treeLoop) { known = slices.Sorted(maps.Keys(l.known.files)) })
			if want := watchTree(t, dir, TreeOptions{}, "**/*.txt").listed; !slices.Equal(known, want) {
				t.Errorf("it knows %q, a new watch %q", r.relative(known), r.relative(want))
			}
			sh(t, dir, `find . -name '*.txt' | while read -r f; do echo again >>"$f"; done`)
			if got := r.tree.Sync(context.Background()); !slices.Equal(got, known) {
				t.Errorf("after a change of every file: %q of %q", r.relative(got), r.relative(known))
			}
		})
	}
}

// treeEdits are ways in which people and editors change files.
var treeEdits = []struct {
	name, do string
	want     []string // none: nothing has changed
}{
	{"written in place", `echo new >a.txt`, []string{"a.txt"}},
	{"appended to", `echo more >>sub/b.txt`, []string{"sub/b.txt"}},
	{"a temporary file renamed over it", `echo new >.a.txt.tmp1; mv .a.txt.tmp1 a.txt`, []string{"a.txt"}},
	{"vim: 4913, backup by rename, rewritten, backup removed",
		`touch 4913; rm 4913; mv a.txt a.txt~; echo new >a.txt; rm a.txt~`, []string{"a.txt"}},
	{"emacs: lock and backup", `ln -s user@host.1 .#a.txt; cp a.txt a.txt~; echo new >a.txt; rm .#a.txt`,
		[]string{"a.txt"}},
	{"sed -i", `sed -i s/one/1/ a.txt`, []string{"a.txt"}},
	{"GoLand: ___jb_tmp___", `echo new >a.txt___jb_tmp___; mv a.txt a.txt___jb_old___; mv a.txt___jb_tmp___ ` +
		`a.txt; rm a.txt___jb_old___`, []string{"a.txt"}},
	{"touched", `touch a.txt sub/b.txt`, nil},
	{"saved with the same bytes", `echo one >a.txt`, nil},
	{"replaced by the same bytes", `cp a.txt t; mv t a.txt`, nil},
	{"mode changed", `chmod 600 a.txt; chmod 644 a.txt`, nil},
	{"another kind of file", `echo new >a.out; echo y >new.bin`, nil},
	{"removed", `rm a.txt`, []string{"a.txt"}},
	{"removed and back", `cp a.txt t.bin; rm a.txt; mv t.bin a.txt`, nil},
	{"renamed", `mv a.txt z.txt`, []string{"a.txt", "z.txt"}},
	{"moved to another directory", `mv a.txt other/a.txt`, []string{"a.txt", "other/a.txt"}},
	{"a new file", `echo n >sub/deep/n.txt`, []string{"sub/deep/n.txt"}},
	{"new directories with a file", `mkdir -p p/q/r; echo n >p/q/r/n.txt`, []string{"p/q/r/n.txt"}},
	{"an empty new directory", `mkdir -p p/q`, nil},
	{"a directory moved", `mv sub moved`, []string{"sub/b.txt", "sub/deep/c.txt", "moved/b.txt", "moved/deep/c.txt"}},
	{"a directory removed", `rm -r sub`, []string{"sub/b.txt", "sub/deep/c.txt"}},
	{"a directory replaced by one that is alike", `cp -a sub new; rm -r sub; mv new sub`, nil},
	{"a directory replaced by another", `mkdir new; echo n >new/b.txt; rm -r sub; mv new sub`,
		[]string{"sub/b.txt", "sub/deep/c.txt"}},
	{"a directory moved away and back", `mv sub away; mv away sub`, nil},
	{"a directory moved in from outside", `mkdir ../out; echo n >../out/n.txt; mv ../out in`, []string{"in/n.txt"}},
	{"a directory moved out", `mv sub ../gone`, []string{"sub/b.txt", "sub/deep/c.txt"}},
}

// plainTree2 is plainTree one directory further down, so that there is an outside.
func plainTree2(t *testing.T) string {
	dir := plainTree(t)
	sh(t, dir, `mkdir in.dir; mv a.txt a.out sub other in.dir`)
	return filepath.Join(dir, "in.dir")
}

// TestTreeAfterMoves: what was moved is watched at its new place, and no longer at
// the old one.
func TestTreeAfterMoves(t *testing.T) {
	t.Parallel()
	r := watchTree(t, plainTree2(t), TreeOptions{}, "**/*.txt")
	r.edit(`mv sub moved`)
	r.until("sub/b.txt", "sub/deep/c.txt", "moved/b.txt", "moved/deep/c.txt")
	r.edit(`echo again >moved/deep/c.txt`)
	r.until("moved/deep/c.txt")
	r.edit(`mv moved sub; mkdir moved; echo m >moved/m.txt`)
	r.until("moved/b.txt", "moved/deep/c.txt", "sub/b.txt", "sub/deep/c.txt", "moved/m.txt")
	r.edit(`echo again2 >sub/deep/c.txt; echo m2 >moved/m.txt`)
	r.until("sub/deep/c.txt", "moved/m.txt")
	r.edit(`mv sub ../away; echo hidden >../away/b.txt`)
	r.until("sub/b.txt", "sub/deep/c.txt")
	r.edit(`echo unseen >../away/deep/c.txt`)
	r.nothingElse()
}

// TestTreeMissingBase: the directory in which a pattern begins may be created later, and be
// removed and created again.
func TestTreeMissingBase(t *testing.T) {
	t.Parallel()
	dir := plainTree2(t)
	r := watchTree(t, dir, TreeOptions{}, "x/y/z/*.txt", "last.txt")
	for range 3 {
		r.edit(`mkdir -p x/y/z; echo n >x/y/z/n.txt`)
		r.until("x/y/z/n.txt")
		r.edit(`echo m >x/y/z/n.txt`)
		r.until("x/y/z/n.txt")
		r.edit(`rm -r x`)
		r.until("x/y/z/n.txt")
	}
	r.nothingElse()
}

// TestTreeLost: after an overflow of the kernel's queue everything is looked at.
func TestTreeLost(t *testing.T) {
	t.Parallel()
	dir := plainTree(t)
	r := watchTree(t, dir, TreeOptions{}, "**/*.txt")
	ctx := context.Background()
	r.tree.request(ctx, func(l *treeLoop) {
		for path := range l.dirs {
			l.events.forget(path) // no event comes from here on
		}
	})
	sh(t, dir, `echo changed >a.txt; rm sub/b.txt; mkdir new; echo n >new/n.txt`)
	r.tree.request(ctx, func(l *treeLoop) { l.events.note(func() { l.events.lost = true }) })
	r.until("a.txt", "sub/b.txt", "new/n.txt")
}

// TestTreePolls: without events the files are looked at from time to time.
func TestTreePolls(t *testing.T) {
	t.Parallel()
	dir := plainTree(t)
	r := watchTree(t, dir, TreeOptions{Poll: 20 * time.Millisecond}, "**/*.txt")
	r.tree.request(context.Background(), func(l *treeLoop) {
		for path := range l.dirs {
			l.events.forget(path)
		}
	})
	for i := range 3 {
		r.edit(fmt.Sprintf(`echo poll %d >a.txt`, i))
		r.until("a.txt")
	}
	r.edit(`mkdir -p new/er; echo n >new/er/n.txt; rm -r sub`)
	r.until("new/er/n.txt", "sub/b.txt", "sub/deep/c.txt")
	r.edit(`touch a.txt other/d.txt`)
	r.nothingElse()
}

// TestTreeWatch: another set replaces the first one. A file that is new in it counts as changed
// only if it was written after Since.
func TestTreeWatch(t *testing.T) {
	t.Parallel()
	dir := plainTree(t)
	r := watchTree(t, dir, TreeOptions{}, "*.txt")
	set := Set{Globs: []string{Escape(dir) + "/*.txt", Escape(dir) + "/sub/**/*.txt"}}
	r.tree.Watch(context.Background(), set)
	r.edit(`echo n >sub/deep/c.txt`)
	r.until("sub/deep/c.txt")
	r.edit(`touch -d '1 hour ago' other/d.txt; echo young >other/young.txt`)
	set.Globs = append(set.Globs, Escape(dir)+"/other/*.txt")
	set.Since = time.Now().Add(-time.Minute)
	r.tree.Watch(context.Background(), set)
	r.until("other/young.txt")
	r.tree.Watch(context.Background(), Set{Globs: []string{Escape(dir) + "/last.txt"}})
	r.edit(`echo unseen >a.txt; echo unseen >sub/b.txt`)
	r.nothingElse()
	if n := r.tree.Watches(); n != 1 {
		t.Errorf("%d directories are watched, 1 is needed", n)
	}
}

// TestTreeSync: Sync reports a file that was written a moment ago without waiting, and once.
func TestTreeSync(t *testing.T) {
	t.Parallel()
	dir := plainTree(t)
	r := watchTree(t, dir, TreeOptions{Debounce: time.Second}, "**/*.txt")
	for i := range 20 {
		sh(t, dir, fmt.Sprintf(`echo %d >a.txt; mkdir -p g%d/h; echo n >g%d/h/n.txt`, i, i, i))
		want := []string{"a.txt", fmt.Sprintf("g%d/h/n.txt", i)}
		if got := r.relative(r.tree.Sync(context.Background())); !slices.Equal(got, want) {
			t.Fatalf("Sync: %q, want %q", got, want)
		}
	}
	r.nothingElse()
}

// TestTreeSpecialNames: a pattern that Escape makes of a path matches that path.
func TestTreeSpecialNames(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(plainTree(t), `odd [x]{y,z}*?\ name`)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r := watchTree(t, dir, TreeOptions{}, "**/*.txt")
	r.edit(`mkdir 'a[b]'; echo n >'a[b]/n{1}.txt'`)
	r.until("a[b]/n{1}.txt")
}

// TestTreeStirring: a batch follows whenever Stirring has returned true.
func TestTreeStirring(t *testing.T) {
	t.Parallel()
	dir := plainTree(t)
	r := watchTree(t, dir, TreeOptions{}, "**/*.txt")
	for range 50 {
		r.edit(`touch a.txt`)
		b := <-r.tree.Changes()
		if len(b.Paths) > 0 {
			t.Fatalf("%q changed", b.Paths)
		}
		if r.tree.Stirring() {
			t.Fatal("stirring after the last batch")
		}
	}
}

// TestTreeBadPattern: an invalid pattern is an error.
func TestTreeBadPattern(t *testing.T) {
	for _, pattern := range []string{"", "/x/[a", "/x/{a,b"} {
		if _, err := NewTree(TreeOptions{Set: Set{Globs: []string{pattern}}}); err == nil ||
			!strings.HasPrefix(err.Error(), "cannot ") {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}
