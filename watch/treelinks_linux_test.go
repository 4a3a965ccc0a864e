package watch

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// linkTree is a directory "in" beside others that links in it lead to.
func linkTree(t *testing.T, links string) string {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sh(t, dir, `mkdir -p in/sub out/deep r1 r2; for f in in/a out/b out/deep/c r1/d r2/d; `+
		`do echo $f >$f.txt; done; cd in; `+links)
	return filepath.Join(dir, "in")
}

// TestTreeLinks: the target of a symbolic link counts as if it were in the link's place, whether
// the target or the link changes.
func TestTreeLinks(t *testing.T) {
	for name, c := range map[string]struct {
		links string
		edits [][]string // what is done, and the files that changed
	}{
		"to a file": {`ln -s ../out/b.txt l.txt`, [][]string{
			{`echo in place >../out/b.txt`, "l.txt"},
			{`echo new >../out/new; mv ../out/new ../out/b.txt`, "l.txt"},
			{`echo again >../out/b.txt`, "l.txt"},
			{`rm ../out/b.txt`, "l.txt"},
			{`echo back >../out/b.txt`, "l.txt"},
			{`ln -sfn ../r1/d.txt l.txt`, "l.txt"},
			{`echo other >../r1/d.txt; echo unseen >../out/b.txt`, "l.txt"},
			{`rm l.txt`, "l.txt"},
		}},
		"to a file in the tree": {`ln -s a.txt l.txt`, [][]string{{`echo new >a.txt`, "a.txt", "l.txt"}}},
		"in a row": {`ln -s r1 ../current; ln -s current/d.txt ../middle; ln -s ../middle l.txt`, [][]string{
			{`echo new >../r1/d.txt`, "l.txt"},
			{`ln -sfn r2 ../current`, "l.txt"},
			{`echo new >../r2/d.txt; echo unseen >../r1/d.txt`, "l.txt"},
			{`ln -sfn out/b.txt ../middle`, "l.txt"},
			{`echo newer >../out/b.txt`, "l.txt"},
		}},
		"that leads nowhere yet": {`ln -s ../later/x.txt l.txt; ln -s ../later later`, [][]string{
			{`mkdir ../later; echo x >../later/x.txt`, "l.txt", "later/x.txt"},
			{`echo y >../later/x.txt`, "l.txt", "later/x.txt"},
		}},
		"to a directory": {`ln -s ../out l`, [][]string{
			{`echo new >../out/b.txt`, "l/b.txt"},
			{`echo new >../out/deep/c.txt`, "l/deep/c.txt"},
			{`mkdir ../out/more; echo n >../out/more/n.txt`, "l/more/n.txt"},
			{`echo m >../out/more/n.txt`, "l/more/n.txt"},
			{`mv ../out/more ../out/moved`, "l/more/n.txt", "l/moved/n.txt"},
			{`echo o >../out/moved/n.txt`, "l/moved/n.txt"},
			{`mv ../out ../away`, "l/b.txt", "l/deep/c.txt", "l/moved/n.txt"},
			{`mv ../away ../out`, "l/b.txt", "l/deep/c.txt", "l/moved/n.txt"},
			{`echo p >../out/moved/n.txt`, "l/moved/n.txt"},
			{`rm l`, "l/b.txt", "l/deep/c.txt", "l/moved/n.txt"},
		}},
		"to a directory, switched": {`ln -s ../r1 current`, [][]string{
			{`ln -sfn ../r2 current`, "current/d.txt"},
			{`echo new >../r2/d.txt; echo unseen >../r1/d.txt`, "current/d.txt"},
			{`ln -s ../r1 next; mv -T next current`, "current/d.txt"},
			{`echo newer >../r1/d.txt; echo unseen >../r2/d.txt`, "current/d.txt"},
			{`rm current; mkdir current; echo plain >current/d.txt`, "current/d.txt"},
			{`echo plainer >current/d.txt`, "current/d.txt"},
		}},
		"made later": {`:`, [][]string{
			{`ln -s ../out l; ln -s ../r1/d.txt f.txt`, "l/b.txt", "l/deep/c.txt", "f.txt"},
			{`echo n >../out/deep/c.txt; echo n >../r1/d.txt`, "l/deep/c.txt", "f.txt"},
		}},
		"two to one directory": {`ln -s ../out l1; ln -s ../out l2`, [][]string{
			{`echo new >../out/b.txt`, "l1/b.txt", "l2/b.txt"},
			{`rm l1`, "l1/b.txt", "l1/deep/c.txt"},
			{`echo newer >../out/b.txt`, "l2/b.txt"},
		}},
		"to a directory that is ignored itself": {`echo gen/ >.gitignore; mkdir gen; echo g >gen/g.txt; ln -s gen seen`,
			[][]string{
				{`echo new >gen/g.txt`, "seen/g.txt"},
			}},
		"below a link": {`ln -s ../../r1/d.txt ../out/deep/l.txt; ln -s ../r2 ../out/r; ln -s ../out l`, [][]string{
			{`echo new >../r1/d.txt`, "l/deep/l.txt"},
			{`echo new >../r2/d.txt`, "l/r/d.txt"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := watchTree(t, linkTree(t, c.links), TreeOptions{}, "**/*.txt")
			for _, edit := range c.edits {
				r.edit(edit[0])
				r.until(edit[1:]...)
			}
			r.nothingElse()
		})
	}
}

// TestTreeLinksIgnored: a link that is ignored, or lies in a directory that is not entered, is
// not followed.
func TestTreeLinksIgnored(t *testing.T) {
	t.Parallel()
	r := watchTree(t, linkTree(t, `
		printf 'l1\nl2/\nl3.txt\ngen/\n' >.gitignore
		ln -s ../out l1; ln -s ../out l2; ln -s ../out/b.txt l3.txt; mkdir gen node_modules
		ln -s ../../out gen/l; ln -s ../../out node_modules/l`),
		TreeOptions{}, "**/*.txt", "!away/**")
	if n := r.tree.Watches(); n != 2 {
		t.Errorf("%d directories are watched, the tree has 2", n)
	}
	r.edit(`echo new >../out/b.txt; ln -s ../out away`)
	r.nothingElse()
}

// TestTreeLinkLoops: links that lead to their own directory, to each other, or to a directory
// above do not make the watch run forever, and their targets are watched.
func TestTreeLinkLoops(t *testing.T) {
	t.Parallel()
	dir := linkTree(t, `
		ln -s . self; ln -s .. up; ln -s / root; ln -s loop loop; ln -s sub/back sub/back
		ln -s ../../out sub/out; ln -s ../in ../out/in; ln -s ../in/sub ../out/sub
		for i in $(seq 12); do
			mkdir ../m$i; echo $i >../m$i/$i.txt; for j in $(seq 12); do ln -s ../m$j ../m$i/to$j; done
		done; ln -s ../m1 m`)
	r := watchTree(t, dir, TreeOptions{}, "**/*.txt")
	if n := r.tree.Files(); n > 100 {
		t.Errorf("%d files are watched", n)
	}
	if slices.Contains(r.listed, "/etc") || slices.ContainsFunc(r.listed, func(path string) bool {
		return strings.HasPrefix(path, dir+"/root/")
	}) {
		t.Error("a link to a directory above is followed")
	}
	r.edit(`echo new >../m7/7.txt; echo new >../out/b.txt`)
	got := r.next()
	for _, want := range []string{"sub/out/b.txt", "7.txt"} {
		if !slices.ContainsFunc(got, func(path string) bool { return strings.HasSuffix(path, want) }) {
			t.Errorf("%q changed, and no %s", got, want)
		}
	}
}

// TestTreeLinkAtTheBase: the directory that a pattern begins at may itself be behind a link,
// which is switched.
func TestTreeLinkAtTheBase(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"current", "current/src"} {
		dir, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		sh(t, dir, `mkdir -p r1/src r2/src; for r in r1 r2; do echo $r >$r/d.txt; echo $r >$r/src/d.txt; `+
			`done; ln -s r1 current`)
		r := watchTree(t, dir, TreeOptions{}, base+"/*.txt")
		for i := range 3 {
			r.edit(`ln -s r` + []string{"2", "1"}[i%2] + ` next; mv -T next current`)
			r.until(base + "/d.txt")
			r.edit(`echo new >>` + base + `/d.txt`)
			r.until(base + "/d.txt")
		}
	}
}

// TestTreeLinksLetGo: the target of a link is not watched any more once the link is removed.
func TestTreeLinksLetGo(t *testing.T) {
	t.Parallel()
	r := watchTree(t, linkTree(t, `ln -s ../out l; ln -s ../r1/d.txt f.txt; ln -s ../r2 r`), TreeOptions{}, "**/*.txt")
	r.edit(`rm l f.txt r`)
	r.until("l/b.txt", "l/deep/c.txt", "f.txt", "r/d.txt")
	r.tree.request(context.Background(), func(l *treeLoop) {
		e := l.events.links
		if n := len(e.links) + len(e.dirs) + len(e.logical) + len(e.held) + len(e.watched); n > 0 ||
			len(e.fs.WatchList()) > 0 {
			t.Errorf("left: %+v", e)
		}
	})
	if err := os.WriteFile(filepath.Join(r.dir, "../out/b.txt"), []byte("unseen"), 0o644); err != nil {
		t.Fatal(err)
	}
	r.nothingElse()
}
