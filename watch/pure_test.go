package watch

import (
	"debug/elf"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestQuiet(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	for _, c := range []struct {
		hints     []int // ms
		now, wait int
	}{
		{[]int{0}, 0, 100},
		{[]int{0}, 60, 40},
		{[]int{0}, 100, 0},
		{[]int{0}, 5000, 0},
		{[]int{0, 90}, 100, 90},
		{[]int{0, 90, 180}, 180, 100},
		{[]int{0, 90, 180, 270, 290}, 290, 10}, // the bound
		{[]int{0, 400}, 400, 0},
	} {
		q := quiet{min: 100 * time.Millisecond, max: 300 * time.Millisecond}
		q.hint(at(-5000))
		q.clear()
		for _, ms := range c.hints {
			q.hint(at(ms))
		}
		if got := q.wait(at(c.now)); got != time.Duration(c.wait)*time.Millisecond {
			t.Errorf("hints %v at %d ms: wait %v, want %d ms", c.hints, c.now, got, c.wait)
		}
	}
}

// Which places are watched for a path: each line of watch is a directory or the file, each line
// of names an entry whose events matter. The paths are relative to the test's directory.
func TestResolve(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "r1/bin/srv"), v1)
	sh(t, dir, `ln -s r1 rel; ln -s "$PWD/r1" abs; ln -s rel/../rel/bin/./srv up; ln -s missing dangling; `+
		`ln -s l2 l1; ln -s l1 l2`)
	for _, c := range []struct{ path, file, watch, names, err string }{
		{"r1/bin/srv", "r1/bin/srv", "r1 r1/bin r1/bin/srv", "r1 r1/bin r1/bin/srv", ""},
		{"/r1//./bin/srv", "r1/bin/srv", "r1 r1/bin r1/bin/srv", "r1 r1/bin r1/bin/srv", ""},
		{"rel/bin/srv", "r1/bin/srv", "r1 r1/bin r1/bin/srv", "r1 r1/bin r1/bin/srv rel", ""},
		{"abs/bin/srv", "r1/bin/srv", "r1 r1/bin r1/bin/srv", "abs r1 r1/bin r1/bin/srv", ""},
		{"up", "r1/bin/srv", "r1 r1/bin r1/bin/srv", "r1 r1/bin r1/bin/srv rel up", ""},
		{"nothing/here", "", "", "nothing", "no such file"},
		{"dangling", "", "", "dangling missing", "no such file"},
		{"r1/bin/srv/x", "", "r1 r1/bin", "r1 r1/bin r1/bin/srv", "not a directory"},
		{"r1/bin", "", "r1 r1/bin", "r1 r1/bin", "is a directory"},
		{"l1", "", "", "l1 l2", "too many levels"},
	} {
		r := resolve(dir + "/" + c.path)
		below := func(paths []string) string {
			var out []string
			for _, p := range paths {
				if rest, ok := strings.CutPrefix(p, dir+"/"); ok {
					out = append(out, rest)
				}
			}
			slices.Sort(out)
			return strings.Join(out, " ")
		}
		file, _ := strings.CutPrefix(r.file, dir+"/")
		if file != c.file {
			t.Errorf("%s leads to %q, want %q", c.path, file, c.file)
		}
		if got := below(keys(r.nodes)); got != c.watch {
			t.Errorf("%s watches %q, want %q", c.path, got, c.watch)
		}
		if got := below(keys(r.names)); got != c.names {
			t.Errorf("%s names %q, want %q", c.path, got, c.names)
		}
		if (r.err == nil) != (c.err == "") || r.err != nil && !strings.Contains(r.err.Error(), c.err) {
			t.Errorf("%s: error %v, want %q", c.path, r.err, c.err)
		}
		if _, ok := r.nodes[dir]; !ok {
			t.Errorf("%s does not have %s watched", c.path, dir)
		}
		if _, ok := r.nodes["/tmp"]; ok && filepath.Dir(filepath.Dir(dir)) == "/tmp" {
			t.Errorf("%s has /tmp watched", c.path)
		}
	}
}

// The watch waits until a directory in the place of the file is gone, also if the directory is
// not watched for being moved.
func TestResolveTopLevel(t *testing.T) {
	t.Parallel()
	r := resolve("/tmp")
	if _, ok := r.nodes["/"]; !ok || len(r.nodes) != 1 {
		t.Errorf("watched are %v, not /", keys(r.nodes))
	}
}

func keys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}

// If the writers of a file are unknown, it has to stay the same for a while.
func TestSettle(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	const patience = 10 * time.Second
	var s settle
	for _, c := range []struct {
		content string
		ino     uint64
		after   time.Duration
		left    time.Duration
	}{
		{v1, 1, 0, settleTime},
		{v1, 1, 100 * time.Millisecond, settleTime - 100*time.Millisecond},
		{v1, 2, 200 * time.Millisecond, settleTime}, // another file
		{v1, 2, 200*time.Millisecond + settleTime, 0},
		{elf.ELFMAG, 3, time.Second, patience},
		{elf.ELFMAG, 3, 2 * time.Second, patience - time.Second},
		{elf.ELFMAG, 3, time.Second + patience, 0},
	} {
		id := identity{node: node{ino: c.ino}, size: int64(len(c.content))}
		var e settleError
		errors.As(s.check(strings.NewReader(c.content), id, patience, start.Add(c.after)), &e)
		if e.left != c.left {
			t.Errorf("%q as inode %d after %v: %v left, want %v", c.content, c.ino, c.after, e.left, c.left)
		}
	}
}
