package watch

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"relevo/internal/testreq"
)

// treeRig is a Tree that runs.
type treeRig struct {
	t    *testing.T
	dir  string
	tree *Tree
	log  *logBuffer
}

// watchTree runs a Tree on a set of patterns below dir; those with ! take away.
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
	r := &treeRig{t: t, dir: dir, log: &logBuffer{}}
	o.Log = slog.New(slog.NewTextHandler(r.log, nil))
	tree, err := NewTree(o)
	if err != nil {
		t.Fatal(err)
	}
	r.tree = tree
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

// until collects batches until all that is wanted has come, and says what has.
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

// nothingElse makes a last change and wants that to be the only one.
func (r *treeRig) nothingElse() {
	r.t.Helper()
	path := filepath.Join(r.dir, "last.txt")
	if err := os.WriteFile(path, []byte(time.Now().String()), 0o644); err != nil {
		r.t.Fatal(err)
	}
	r.until("last.txt")
}

// plainTree is what most tests begin with.
func plainTree(t *testing.T) string {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sh(t, dir, `mkdir -p sub/deep other; echo one >a.txt; echo two >sub/b.txt; echo three >sub/deep/c.txt; echo x >other/d.txt; echo bin >a.out`)
	return dir
}

// TestTreeEdits: what people and editors do to files, and what of it is a change.
func TestTreeEdits(t *testing.T) {
	for _, edit := range []struct {
		name, do string
		want     []string // none: nothing has changed
	}{
		{"written in place", `echo new >a.txt`, []string{"a.txt"}},
		{"appended to", `echo more >>sub/b.txt`, []string{"sub/b.txt"}},
		{"a temporary file renamed over it", `echo new >.a.txt.tmp1; mv .a.txt.tmp1 a.txt`, []string{"a.txt"}},
		{"vim: 4913, backup by rename, written anew, backup removed", `touch 4913; rm 4913; mv a.txt a.txt~; echo new >a.txt; rm a.txt~`, []string{"a.txt"}},
		{"emacs: lock and backup", `ln -s user@host.1 .#a.txt; cp a.txt a.txt~; echo new >a.txt; rm .#a.txt`, []string{"a.txt"}},
		{"sed -i", `sed -i s/one/1/ a.txt`, []string{"a.txt"}},
		{"GoLand: ___jb_tmp___", `echo new >a.txt___jb_tmp___; mv a.txt a.txt___jb_old___; mv a.txt___jb_tmp___ a.txt; rm a.txt___jb_old___`, []string{"a.txt"}},
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
		{"a directory replaced by another", `mkdir new; echo n >new/b.txt; rm -r sub; mv new sub`, []string{"sub/b.txt", "sub/deep/c.txt"}},
		{"a directory moved in from outside", `mkdir ../out; echo n >../out/n.txt; mv ../out in`, []string{"in/n.txt"}},
		{"a directory moved out", `mv sub ../gone`, []string{"sub/b.txt", "sub/deep/c.txt"}},
	} {
		t.Run(edit.name, func(t *testing.T) {
			t.Parallel()
			r := watchTree(t, plainTree2(t), TreeOptions{}, "**/*.txt")
			sh(t, r.dir, edit.do)
			if edit.want != nil {
				r.until(edit.want...)
			}
			r.nothingElse()
		})
	}
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
	sh(t, r.dir, `mv sub moved`)
	r.until("sub/b.txt", "sub/deep/c.txt", "moved/b.txt", "moved/deep/c.txt")
	sh(t, r.dir, `echo again >moved/deep/c.txt`)
	r.until("moved/deep/c.txt")
	sh(t, r.dir, `mv moved sub; mkdir moved; echo m >moved/m.txt`)
	r.until("moved/b.txt", "moved/deep/c.txt", "sub/b.txt", "sub/deep/c.txt", "moved/m.txt")
	sh(t, r.dir, `echo again2 >sub/deep/c.txt; echo m2 >moved/m.txt`)
	r.until("sub/deep/c.txt", "moved/m.txt")
	sh(t, r.dir, `mv sub ../away; echo hidden >../away/b.txt`)
	r.until("sub/b.txt", "sub/deep/c.txt")
	sh(t, r.dir, `echo unseen >../away/deep/c.txt`)
	r.nothingElse()
}

// TestTreeMissingBase: a directory that a pattern begins at may come later, and
// come again.
func TestTreeMissingBase(t *testing.T) {
	t.Parallel()
	dir := plainTree2(t)
	r := watchTree(t, dir, TreeOptions{}, "x/y/z/*.txt", "last.txt")
	for range 3 {
		sh(t, dir, `mkdir -p x/y/z; echo n >x/y/z/n.txt`)
		r.until("x/y/z/n.txt")
		sh(t, dir, `echo m >x/y/z/n.txt`)
		r.until("x/y/z/n.txt")
		sh(t, dir, `rm -r x`)
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
		sh(t, dir, fmt.Sprintf(`echo poll %d >a.txt`, i))
		r.until("a.txt")
	}
	sh(t, dir, `mkdir -p new/er; echo n >new/er/n.txt; rm -r sub`)
	r.until("new/er/n.txt", "sub/b.txt", "sub/deep/c.txt")
	sh(t, dir, `touch a.txt other/d.txt`)
	r.nothingElse()
}

// TestTreeWatch: another set takes the place of the first. What is new in it has
// changed only if it was written since a moment.
func TestTreeWatch(t *testing.T) {
	t.Parallel()
	dir := plainTree(t)
	r := watchTree(t, dir, TreeOptions{}, "*.txt")
	set := Set{Globs: []string{Escape(dir) + "/*.txt", Escape(dir) + "/sub/**/*.txt"}}
	r.tree.Watch(context.Background(), set)
	sh(t, dir, `echo n >sub/deep/c.txt`)
	r.until("sub/deep/c.txt")
	sh(t, dir, `touch -d '1 hour ago' other/d.txt; echo young >other/young.txt`)
	set.Globs = append(set.Globs, Escape(dir)+"/other/*.txt")
	set.Since = time.Now().Add(-time.Minute)
	r.tree.Watch(context.Background(), set)
	r.until("other/young.txt")
	r.tree.Watch(context.Background(), Set{Globs: []string{Escape(dir) + "/last.txt"}})
	sh(t, dir, `echo unseen >a.txt; echo unseen >sub/b.txt`)
	r.nothingElse()
	if n := r.tree.Watches(); n != 1 {
		t.Errorf("%d directories are watched, 1 is needed", n)
	}
}

// TestTreeSync: what was written a moment ago is known without a wait, and comes
// once.
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

// TestTreeSpecialNames: patterns made of paths mean what they are made of.
func TestTreeSpecialNames(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(plainTree(t), `odd [x]{y,z}*?\ name`)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r := watchTree(t, dir, TreeOptions{}, "**/*.txt")
	sh(t, dir, `mkdir 'a[b]'; echo n >'a[b]/n{1}.txt'`)
	r.until("a[b]/n{1}.txt")
}

// TestTreeGitSwitch: a branch switch of thousands of files is one change.
func TestTreeGitSwitch(t *testing.T) {
	testreq.Program(t, "git")
	dir := gitTree(t)
	sh(t, dir, `
		mkdir src; for i in $(seq 2000); do echo "one $i" >src/f$i.txt; done
		git add -A; git commit -qm one; git switch -qc two
		for i in $(seq 2000); do echo "two $i" >src/f$i.txt; done
		git add -A; git commit -qm two`)
	r := watchTree(t, dir, TreeOptions{Debounce: 50 * time.Millisecond}, "**/*")
	for _, branch := range []string{"main", "two"} {
		sh(t, dir, "git switch -q "+branch)
		if got := r.next(); len(got) != 2000 {
			t.Errorf("the first batch after the switch to %s has %d files of 2000", branch, len(got))
		}
	}
	r.nothingElse()
}

// gitTree is an empty repository.
func gitTree(t *testing.T) string {
	t.Helper()
	testreq.Program(t, "git")
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sh(t, dir, `git init -q -b main . && git config user.email t@example.org && git config user.name t && git config gc.auto 0`)
	return dir
}

// TestTreeIgnores: which files matter is what git says, file by file.
func TestTreeIgnores(t *testing.T) {
	testreq.Program(t, "git")
	dir := gitTree(t)
	sh(t, dir, `
		printf '%s\n' '*.log' '/build/' 'doc/**/*.tmp' '!keep.log' 'only-dir/' '# comment' '\#odd' 'trail\ ' 'gen/*' '!gen/kept' 'a?c' '[xyz].dat' >.gitignore
		mkdir -p build sub/build doc/a/b gen/kept gen/other sub/only-dir x/only-dir nested/deep '#dir'
		printf '%s\n' '*.local' '!*.log' '/top' >nested/.gitignore
		printf '%s\n' 'deep-*' '!deep-log.log' '*.md' >nested/deep/.gitignore
		printf '%s\n' 'private' >.git/info/exclude
		for f in a.log keep.log build/x sub/build/y doc/t.tmp doc/a/t.tmp doc/a/b/t.tmp doc/a/b/t.txt '#odd' 'trail ' trail gen/x gen/kept/z gen/other/z \
			abc aXXc x.dat w.dat nested/a.local nested/b.log nested/top nested/deep/top nested/deep/deep-a nested/deep/deep-log.log nested/deep/r.md nested/deep/q.local \
			private sub/private x/only-dir/f sub/only-dir/f only-dir plain nested/plain '#dir/f'; do echo "$f" >"$f"; done`)
	r := watchTree(t, dir, TreeOptions{}, "**/*")
	var mine []string
	r.tree.request(context.Background(), func(l *treeLoop) {
		for path := range l.known.files {
			rel, _ := under(dir, path)
			mine = append(mine, rel)
		}
	})
	slices.Sort(mine)
	out := shOut(t, dir, `git -c core.quotePath=false ls-files -co --exclude-standard | grep -v '\.gitignore$' | LC_ALL=C sort -u`)
	if want := strings.Split(strings.TrimSuffix(out, "\n"), "\n"); !slices.Equal(mine, want) {
		t.Errorf("watched:\n%q\ngit:\n%q", mine, want)
	}
	sh(t, dir, `echo n >a.log; echo n >build/x; echo n >nested/deep/deep-a; echo n >private; mkdir -p build/new only-dir2; echo n >build/new/n`)
	sh(t, dir, `echo n >last.txt`)
	r.until("last.txt")
	// The list itself changes: what it lets in is watched.
	sh(t, dir, `grep -v build .gitignore >t.log && cat t.log >.gitignore`)
	r.until("build/x", "build/new/n")
	sh(t, dir, `echo m >build/x`)
	r.until("build/x")
	sh(t, dir, `echo build/ >.ignore`)
	r.nothingElse()
	sh(t, dir, `echo z >build/x`)
	r.nothingElse()
}

// TestTreeIgnoreFile: .ignore counts more than .gitignore; without a repository both
// count all the same; NoIgnore reads neither.
func TestTreeIgnoreFile(t *testing.T) {
	t.Parallel()
	dir := plainTree(t)
	sh(t, dir, `printf '*.gen\nsub/\n' >.gitignore; printf '!a.gen\n*.skip\n' >.ignore; touch a.gen b.gen c.skip`)
	r := watchTree(t, dir, TreeOptions{}, "**/*")
	sh(t, dir, `echo n >b.gen; echo n >c.skip; echo n >sub/b.txt; echo n >a.gen`)
	r.until("a.gen")
	all := watchTree(t, dir, TreeOptions{Set: Set{NoIgnore: true}}, "**/*")
	sh(t, dir, `echo m >b.gen; echo m >c.skip; echo m >sub/b.txt`)
	all.until("b.gen", "c.skip", "sub/b.txt")
}

// TestTreePrunes: what is ignored or unwanted costs no watch.
func TestTreePrunes(t *testing.T) {
	t.Parallel()
	dir := plainTree(t)
	sh(t, dir, `echo out/ >.gitignore; for d in out node_modules .git/objects .venv; do mkdir -p $d/a/b/c; echo n >$d/a/b/c/n.txt; done; mkdir -p src/x`)
	r := watchTree(t, dir, TreeOptions{}, "**/*.txt", "!other/**")
	// The directory itself, sub, sub/deep, src, src/x.
	if n := r.tree.Watches(); n != 5 {
		t.Errorf("%d directories are watched, 5 hold what matters", n)
	}
	if n := r.tree.Files(); n != 3 {
		t.Errorf("%d files, want 3", n)
	}
	exact := watchTree(t, dir, TreeOptions{}, "node_modules/a/**/*.txt")
	sh(t, dir, `echo asked >node_modules/a/b/c/n.txt`)
	exact.until("node_modules/a/b/c/n.txt")
}

// TestTreeStirring: whoever sees it set gets a batch.
func TestTreeStirring(t *testing.T) {
	t.Parallel()
	dir := plainTree(t)
	r := watchTree(t, dir, TreeOptions{}, "**/*.txt")
	for range 50 {
		sh(t, dir, `touch a.txt`)
		b := <-r.tree.Changes()
		if len(b.Paths) > 0 {
			t.Fatalf("%q changed", b.Paths)
		}
		if r.tree.Stirring() {
			t.Fatal("stirring after the last batch")
		}
	}
}

// TestTreeBadPattern: a pattern that is none is an error, not silence.
func TestTreeBadPattern(t *testing.T) {
	for _, pattern := range []string{"", "/x/[a", "/x/{a,b"} {
		if _, err := NewTree(TreeOptions{Set: Set{Globs: []string{pattern}}}); err == nil || !strings.HasPrefix(err.Error(), "cannot ") {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}
