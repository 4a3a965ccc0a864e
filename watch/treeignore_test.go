package watch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"relevo/internal/testreq"
)

// TestTreeGitSwitch: a branch switch of hundreds of files is one change, although git pauses at one of them.
func TestTreeGitSwitch(t *testing.T) {
	t.Parallel()
	testreq.Program(t, "git")
	dir := gitTree(t)
	sh(t, dir, `
		git config filter.slow.smudge 'sleep 1; cat'; echo 'src/f50.txt filter=slow' >.git/info/attributes
		mkdir src; for i in $(seq 200); do echo one >src/f$i.txt; done
		git add -A; git commit -qm one; git switch -qc two
		for i in $(seq 200); do echo two >src/f$i.txt; done
		git add -A; git commit -qm two`)
	r := watchTree(t, dir, TreeOptions{Debounce: 300 * time.Millisecond, DebounceMax: tooLong}, "**/*")
	for _, branch := range []string{"main", "two"} {
		sh(t, dir, "git switch -q "+branch)
		if got := r.next(); len(got) != 200 {
			t.Errorf("the first batch after the switch to %s has %d files of 200", branch, len(got))
		}
	}
	r.nothingElse()
}

// TestTreeGitSlow: a switch that takes git longer than DebounceMax is one change, and a lock that a killed git
// has left behind holds nothing up for longer.
func TestTreeGitSlow(t *testing.T) {
	t.Parallel()
	dir := gitTree(t)
	const most = time.Second
	r := watchTree(t, dir, TreeOptions{DebounceMax: most}, "**/*")
	for {
		wrote, longest := gitWrites(t, dir, 3*most)
		got := r.next()
		if slices.Equal(got, wrote) {
			break
		}
		if longest < most/2 {
			t.Fatalf("the first batch has %d files of %d", len(got), len(wrote))
		}
		for !slices.Equal(got, wrote) { // this test was held up for so long that git counts as killed: once more
			got = union(got, r.next())
		}
	}
	sh(t, dir, "touch .git/index.lock; echo more >f0000.txt")
	r.until("f0000.txt")
}

// gitWrites writes files under git's lock for a time, as slowly as git may, and says which, and its longest pause.
func gitWrites(t *testing.T, dir string, lasts time.Duration) (wrote []string, longest time.Duration) {
	t.Helper()
	lock, began := filepath.Join(dir, ".git", "index.lock"), time.Now()
	put(t, lock, "")
	for last := began; last.Sub(began) < lasts; last = time.Now() {
		name := fmt.Sprintf("f%04d.txt", len(wrote))
		put(t, filepath.Join(dir, name), last.String())
		wrote = append(wrote, name)
		time.Sleep(20 * time.Millisecond)
		longest = max(longest, time.Since(last))
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	return wrote, longest
}

// gitTree is an empty repository.
func gitTree(t *testing.T) string {
	t.Helper()
	testreq.Program(t, "git")
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sh(t, dir, `git init -q -b main . && git config user.email t@example.org && git config user.name t `+
		`&& git config gc.auto 0`)
	return dir
}

// TestTreeIgnores: for each file, the set agrees with git whether it is ignored.
func TestTreeIgnores(t *testing.T) {
	testreq.Program(t, "git")
	dir := gitTree(t)
	sh(t, dir, `
		printf '%s\n' '*.log' '/build/' 'doc/**/*.tmp' '!keep.log' 'only-dir/' \
			'# comment' '\#odd' 'trail\ ' 'gen/*' '!gen/kept' 'a?c' '[xyz].dat' >.gitignore
		mkdir -p build sub/build doc/a/b gen/kept gen/other sub/only-dir x/only-dir nested/deep '#dir'
		printf '%s\n' '*.local' '!*.log' '/top' >nested/.gitignore
		printf '%s\n' 'deep-*' '!deep-log.log' '*.md' >nested/deep/.gitignore
		printf '%s\n' 'private' >.git/info/exclude
		for f in a.log keep.log build/x sub/build/y doc/t.tmp doc/a/t.tmp doc/a/b/t.tmp doc/a/b/t.txt '#odd' 'trail ' trail \
			gen/x gen/kept/z gen/other/z \
			abc aXXc x.dat w.dat nested/a.local nested/b.log nested/top nested/deep/top nested/deep/deep-a \
			nested/deep/deep-log.log nested/deep/r.md nested/deep/q.local \
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
	out := shOut(t, dir, `git -c core.quotePath=false ls-files -co --exclude-standard | grep -v `+
		`'\.gitignore$' | LC_ALL=C sort -u`)
	if want := strings.Split(strings.TrimSuffix(out, "\n"), "\n"); !slices.Equal(mine, want) {
		t.Errorf("watched:\n%q\ngit:\n%q", mine, want)
	}
	r.edit(`echo n >a.log; echo n >build/x; echo n >nested/deep/deep-a; echo n >private; ` +
		`mkdir -p build/new only-dir2; echo n >build/new/n`)
	r.edit(`echo n >last.txt`)
	r.until("last.txt")
	// The list itself changes: what it lets in is watched.
	r.edit(`grep -v build .gitignore >t.log && cat t.log >.gitignore`)
	r.until("build/x", "build/new/n")
	r.edit(`echo m >build/x`)
	r.until("build/x")
	r.edit(`echo build/ >.ignore`)
	r.nothingElse()
	r.edit(`echo z >build/x`)
	r.nothingElse()
}

// TestTreeIgnoreFile: .ignore overrides .gitignore; both also count without a repository;
// NoIgnore reads neither.
func TestTreeIgnoreFile(t *testing.T) {
	t.Parallel()
	dir := plainTree(t)
	sh(t, dir, `printf '*.gen\nsub/\n' >.gitignore; printf '!a.gen\n*.skip\n' >.ignore; touch a.gen b.gen c.skip`)
	r := watchTree(t, dir, TreeOptions{}, "**/*")
	r.edit(`echo n >b.gen; echo n >c.skip; echo n >sub/b.txt; echo n >a.gen`)
	r.until("a.gen")
	all := watchTree(t, dir, TreeOptions{Set: Set{NoIgnore: true}}, "**/*")
	all.edit(`echo m >b.gen; echo m >c.skip; echo m >sub/b.txt`)
	all.until("b.gen", "c.skip", "sub/b.txt")
}

// TestTreePrunes: what is ignored or unwanted costs no watch.
func TestTreePrunes(t *testing.T) {
	t.Parallel()
	dir := plainTree(t)
	sh(t, dir, `echo out/ >.gitignore; for d in out node_modules .git/objects .venv; do mkdir -p $d/a/b/c; `+
		`echo n >$d/a/b/c/n.txt; done; mkdir -p src/x`)
	r := watchTree(t, dir, TreeOptions{}, "**/*.txt", "!other/**")
	// The directory itself, sub, sub/deep, src, src/x.
	if n := r.tree.Watches(); n != 5 {
		t.Errorf("%d directories are watched, 5 hold what matters", n)
	}
	if n := r.tree.Files(); n != 3 {
		t.Errorf("%d files, want 3", n)
	}
	exact := watchTree(t, dir, TreeOptions{}, "node_modules/a/**/*.txt")
	exact.edit(`echo asked >node_modules/a/b/c/n.txt`)
	exact.until("node_modules/a/b/c/n.txt")
}

// TestTreeIgnoredBase: a directory that a pattern names may itself be ignored; the ignore files
// below it count nevertheless. Behind a link, the ignore files at its target count.
func TestTreeIgnoredBase(t *testing.T) {
	t.Parallel()
	dir := plainTree(t)
	sh(t, dir, `
		mkdir -p .git out/deep lib/dist deps; printf "out/\ndeps/\n" >.gitignore
		echo dist/ >>.gitignore; echo skip.txt >out/.gitignore
		for f in out/a out/skip out/deep/b lib/c lib/dist/d; do echo $f >$f.txt; done; ln -s ../lib deps/lib`)
	r := watchTree(t, dir, TreeOptions{}, "out/**/*.txt", "deps/lib/**/*.txt")
	want := []string{"deps/lib/c.txt", "out/a.txt", "out/deep/b.txt"}
	if got := r.relative(r.listed); !slices.Equal(got, want) {
		t.Errorf("watched: %q, want %q", got, want)
	}
}
