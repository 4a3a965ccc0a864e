package watch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/testreq"
)

// replacement is one way in which an executable is replaced in the field.
type replacement struct {
	name    string
	path    string   // the watched path; default "srv"
	needs   []string // programs
	prepare string   // after the first files are there, before the watch starts
	script  string   // runs during the watch
	changes bool     // whether srv's bytes become v2's
}

// Every script finds srv (v1), and the files v1 and v2 to replace it by. $SHM
// is a directory on another file system.
var replacements = []replacement{
	{name: "cp", script: `cp v2 srv`, changes: true},
	{name: "cp same bytes", script: `cp v1 srv`},
	{name: "cp --remove-destination", script: `cp --remove-destination v2 srv`, changes: true},
	{name: "install", script: `install -m 0755 v2 srv`, changes: true},
	{name: "mv", script: `mv v2 srv`, changes: true},
	{name: "mv across file systems", script: `cp v2 "$SHM/v2"; mv "$SHM/v2" srv`, changes: true},
	{name: "mv away and back", script: `mv srv srv.old; mv srv.old srv`},
	{name: "ln over it", script: `ln -f v2 srv`, changes: true},
	{name: "tar", prepare: `mkdir t; cp v2 t/srv; tar cf t.tar -C t srv`, script: `tar xf t.tar`, changes: true},
	{name: "rsync", needs: []string{"rsync"}, script: `touch -d "1 hour ago" v2; rsync v2 srv`, changes: true},
	{name: "rsync --inplace", needs: []string{"rsync"}, script: `touch -d "1 hour ago" v2; rsync --inplace v2 srv`,
		changes: true},
	{name: "rsync -a same bytes", needs: []string{"rsync"}, script: `cp v1 same; rsync -a same srv`},
	{name: "dd in place", script: `dd if=v2 of=srv bs=1 conv=notrunc status=none`, changes: true},
	{name: "through a hard link elsewhere", prepare: `mkdir other; ln srv other/srv`, script: `cp v2 other/srv`,
		changes: true},
	{name: "touch", script: `touch srv`},
	{name: "chmod", script: `chmod 0700 srv`},
	{name: "other files", script: `cp v2 srv2; mv v2 v3; touch .srv.swp; rm v3`},
	{name: "rm", script: `rm srv`},
	{name: "rm and the same again", script: `rm srv; cp v1 srv`},
	{name: "rm and another", script: `rm srv; cp v2 srv`, changes: true},
	{name: "executable at last", script: `chmod -x v2; cp --remove-destination v2 srv; chmod +x srv`, changes: true},

	{name: "ln -sfn", path: "current/srv", prepare: releases, script: `ln -sfn r2 current`, changes: true},
	{name: "ln -sfn same bytes", path: "current/srv", prepare: releases, script: `cp v1 r2/srv; ln -sfn r2 current`},
	{name: "mv -T of a link", path: "current/srv", prepare: releases, script: `ln -s r2 next; mv -T next current`,
		changes: true},
	{name: "link to the file", path: "link", prepare: `ln -s srv link`, script: `cp v2 srv`, changes: true},
	{name: "link to the file moves", path: "link", prepare: `ln -s srv link`, script: `ln -sf v2 link`, changes: true},
	{name: "links in a row", path: "a/srv", prepare: releases + `; ln -s b a; ln -s ./x/../current b; mkdir x`,
		script: `ln -sfn r2 current`, changes: true},
	{name: "dangling link becomes whole", path: "current/srv", prepare: `ln -s r2 current`,
		script: `mkdir t; cp v2 t/srv; mv t r2`, changes: true},
	{name: "ConfigMap", path: "cfg/srv",
		prepare: `mkdir -p cfg/..1; cp v1 cfg/..1/srv; ln -s ..1 cfg/..data; ln -s ..data/srv cfg/srv`,
		script: `mkdir cfg/..2; cp v2 cfg/..2/srv; ln -s ..2 cfg/..data_tmp; mv -T cfg/..data_tmp cfg/..data; ` +
			`rm -r cfg/..1`, changes: true},

	{name: "directory swapped", path: "d/srv", prepare: trees, script: `mv d old; mv new/d d`, changes: true},
	{name: "grandparent swapped", path: "app/d/srv", prepare: trees, script: `mv app old; mv new app`, changes: true},
	{name: "great-grandparent swapped", path: "top/app/d/srv", prepare: trees,
		script: `mv top oldtop; mkdir top; mv new top/app`, changes: true},
	{name: "write after the swap", path: "app/d/srv", prepare: trees,
		script: `mv app old; cp v1 new/d/srv; mv new app; cp v2 app/d/srv`, changes: true},
	{name: "write into the tree that left", path: "app/d/srv", prepare: trees,
		script: `cp v1 new/d/srv; mv app old; mv new app; cp v2 old/d/srv`},
	{name: "tree removed and made again", path: "app/d/srv", prepare: trees,
		script: `rm -r app; mkdir -p app/d; cp v2 app/d/srv`, changes: true},
	{name: "tree made", path: "p/q/r/srv", script: `mkdir -p p/q/r; cp v2 p/q/r/srv`, changes: true},
	{name: "tree moved in", path: "p/q/r/srv", script: `mkdir -p x/q/r; cp v2 x/q/r/srv; mv x p`, changes: true},
	{name: "file becomes a directory and a file", script: `rm srv; mkdir srv; rmdir srv; cp v2 srv`, changes: true},
	{name: "fifo in its place", script: `rm srv; mkfifo srv; chmod +x srv; rm srv; cp v2 srv`, changes: true},
}

const (
	releases = `mkdir r1 r2; cp v1 r1/srv; cp v2 r2/srv; ln -s r1 current`
	trees    = `mkdir -p d app/d top/app/d new/d; cp v1 d/srv; cp v1 app/d/srv; cp v1 top/app/d/srv; cp v2 new/d/srv`
)

func TestReplacements(t *testing.T) {
	t.Parallel()
	for _, c := range replacements {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, program := range c.needs {
				testreq.Program(t, program)
			}
			dir := t.TempDir()
			for name, content := range map[string]string{"srv": v1, "v1": v1, "v2": v2} {
				put(t, filepath.Join(dir, name), content)
			}
			shm := "SHM=" + otherFilesystem(t, dir) + "\n"
			sh(t, dir, shm+c.prepare)
			path := c.path
			if path == "" {
				path = "srv"
			}
			base := ""
			if _, err := os.Stat(filepath.Join(dir, path)); err == nil {
				base = v1
			}
			r := watchPath(t, dir, path, Options{})
			r.sh(shm + c.script)
			done := time.Now()
			if c.changes {
				base = v2
				t.Logf("%v after the end of the script", r.want(v2).at.Sub(done).Round(time.Millisecond))
			}
			r.none(base)
			r.alive()
		})
	}
}

// alive checks that no watch is left on an old inode. The file is absent for a while, so that
// only its directory can report the next one.
func (r *rig) alive() {
	r.t.Helper()
	for _, content := range []string{v3, v1} {
		os.MkdirAll(filepath.Dir(r.path), 0o755)
		if err := os.Remove(r.path); err == nil {
			r.until("the file missing", func(c outcome) bool { return errors.Is(c.err, os.ErrNotExist) })
		}
		put(r.t, r.path, content)
		r.want(content)
	}
}

// otherFilesystem returns a directory that is not on the file system of dir.
func otherFilesystem(t *testing.T, dir string) string {
	t.Helper()
	other, err := os.MkdirTemp("/dev/shm", "watch")
	if err != nil {
		testreq.Missing(t, "a second file system is needed: "+err.Error())
	}
	t.Cleanup(func() { os.RemoveAll(other) })
	if resolve(other + "/x").nodes[other].dev == resolve(dir + "/x").nodes[dir].dev {
		testreq.Missing(t, "/dev/shm is not a file system of its own")
	}
	return other
}

// A change that is undone before the next look is no Change.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "app/srv"), v1)
	put(t, filepath.Join(dir, "new/srv"), v2)
	app, next, old := filepath.Join(dir, "app"), filepath.Join(dir, "new"), filepath.Join(dir, "old")
	r := watchPath(t, dir, "app/srv", Options{})
	r.betweenLooks(func() {
		put(t, r.path, v3)
		put(t, r.path, v1)
		for _, step := range [][2]string{{app, old}, {next, app}, {app, next}, {old, app}} {
			if err := os.Rename(step[0], step[1]); err != nil {
				t.Fatal(err)
			}
		}
	})
	r.none(v1)
	r.alive()
}

// A mount point and a directory directly below / are watched for their entries, but not for being
// moved themselves.
func TestHolderThatStays(t *testing.T) {
	t.Parallel()
	for _, holder := range []string{"/tmp", "/dev/shm"} {
		dir := t.TempDir()
		put(t, filepath.Join(dir, "r1/srv"), v1)
		put(t, filepath.Join(dir, "r2/srv"), v2)
		name := fmt.Sprintf("watch-test-%d", os.Getpid())
		link := filepath.Join(holder, name)
		t.Cleanup(func() { os.Remove(link) })
		r := watchPath(t, holder, name, Options{})
		sh(t, dir, "ln -s $PWD/r1/srv "+link)
		r.want(v1)
		sh(t, dir, "ln -sf $PWD/r2/srv "+link)
		r.want(v2)
		r.none(v2)
	}
}

// Like mv --exchange, which only newer versions of mv have.
func TestExchange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "app/d/srv"), v1)
	put(t, filepath.Join(dir, "new/d/srv"), v2)
	r := watchPath(t, dir, "app/d/srv", Options{})
	for _, want := range []string{v2, v1, v2} {
		err := unix.Renameat2(unix.AT_FDCWD, filepath.Join(dir, "app"), unix.AT_FDCWD, filepath.Join(dir, "new"),
			unix.RENAME_EXCHANGE)
		if err != nil {
			t.Fatal(err)
		}
		r.want(want)
	}
	r.none(v2)
}

// The kernel refuses to write to a running program; that must not count as a change.
func TestRunningELF(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sleep := contentOf(t, testreq.Program(t, "sleep"))
	put(t, filepath.Join(dir, "srv"), sleep)
	put(t, filepath.Join(dir, "v2"), v2)
	r := watchPath(t, dir, "srv", Options{})
	r.sh(`./srv 60 & running=$!
		until [ "$(readlink /proc/$running/exe)" = "$PWD/srv" ]; do :; done
		if cp v2 srv 2>err; then kill $running; exit 1; fi
		kill $running; wait $running || true
		grep -q 'Text file busy' err`)
	r.none(sleep)
	r.sh(`mv v2 srv`)
	r.want(v2)
}

func TestStrip(t *testing.T) {
	t.Parallel()
	testreq.Program(t, "strip")
	dir := t.TempDir()
	buildProgram(t, dir, "one", "")
	r := watchPath(t, dir, "srv", Options{})
	r.sh(`strip srv`)
	r.want(contentOf(t, r.path))
	r.none(contentOf(t, r.path))
}

func TestGoBuild(t *testing.T) {
	t.Parallel()
	for _, tmp := range []string{"", "other"} {
		t.Run("TMPDIR "+tmp, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if tmp != "" {
				tmp = otherFilesystem(t, dir)
			}
			buildProgram(t, dir, "one", tmp)
			r := watchPath(t, dir, "srv", Options{})
			buildProgram(t, dir, "two", tmp)
			done := time.Now()
			two := contentOf(t, r.path)
			t.Logf("%v after go build", r.want(two).at.Sub(done).Round(time.Millisecond))
			buildProgram(t, dir, "two", tmp)
			r.none(two)
			buildProgram(t, dir, "three", tmp)
			r.want(contentOf(t, r.path))
		})
	}
}

// buildProgram runs go build -o srv in dir.
func buildProgram(t *testing.T, dir, says, tmp string) {
	t.Helper()
	testreq.Program(t, "go")
	source := "package main\n\nfunc main() { println(" + strings.ToUpper("`"+says+"`") + ") }\n"
	put(t, filepath.Join(dir, "main.go"), source)
	put(t, filepath.Join(dir, "go.mod"), "module srv\n\ngo 1.26\n")
	sh(t, dir, `export TMPDIR=`+tmp+`; [ -n "$TMPDIR" ] || unset TMPDIR; go build -o srv`)
}
