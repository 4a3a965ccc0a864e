package procfs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// village is a /proc of a test's own making.
type village string

// move writes the state of a process, and keeps its directory.
func (v village) move(t *testing.T, pid, parent int) {
	t.Helper()
	dir := filepath.Join(string(v), strconv.Itoa(pid))
	state := fmt.Sprintf("%d (a ) b) S %d 1 1 0 -1 4194560 1 0 0 0 3 4 0 0 20 0 2 0 100 1000 7 18446744073709551615\n",
		pid, parent)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "stat"), []byte(state), 0o600); err != nil {
		t.Fatal(err)
	}
}

// forget removes a file of a process, or with none the whole process.
func (v village) forget(t *testing.T, pid int, file string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(string(v), strconv.Itoa(pid), file)); err != nil {
		t.Fatal(err)
	}
}

// replace has another process get the number of one that has ended.
func (v village) replace(t *testing.T, pid, parent int) {
	t.Helper()
	at := filepath.Join(string(v), strconv.Itoa(pid))
	if err := os.Rename(at, filepath.Join(string(v), "gone")); err != nil { // so that its inode is not used again
		t.Fatal(err)
	}
	v.move(t, pid, parent)
	if err := os.RemoveAll(filepath.Join(string(v), "gone")); err != nil {
		t.Fatal(err)
	}
}

// TestCensus: a process that has not changed is not read again, and what has changed is found.
func TestCensus(t *testing.T) {
	v := village(t.TempDir())
	c := &Census{root: string(v)}
	look := func(when string, pid int, want ...int) {
		t.Helper()
		if got := c.Take().Tree(pid); !slices.Equal(got, want) {
			t.Errorf("%s the family is %v, want %v", when, got, want)
		}
	}
	look("of an empty place", 10, 10)
	v.move(t, 1, 0)
	v.move(t, 10, 1)
	v.move(t, 12, 10)
	v.move(t, 13, 12)
	look("at first", 10, 10, 12, 13)
	v.forget(t, 1, "stat")
	v.forget(t, 10, "stat")
	look("without a file that need not be read", 10, 10, 12, 13)

	v.move(t, 11, 10)
	look("with a process that is new", 10, 10, 11, 12, 13)
	v.forget(t, 11, "")
	look("without one that has ended", 10, 10, 12, 13)
	v.move(t, 13, 1)
	look("without one that has another parent", 10, 10, 12)
	v.replace(t, 12, 1)
	look("without one whose number another process has", 10, 10)
	v.replace(t, 12, 10)
	v.replace(t, 13, 12)
	look("with both again", 10, 10, 12, 13)
	v.move(t, 13, 10) // its parent ends, and the parent's number is used again
	v.replace(t, 12, 10)
	look("with a child of another process", 10, 10, 12, 13)
	look("with a child of another process", 12, 12)
}

// TestCensusOfThisMachine: the kernel keeps the inode of a process's directory, and so nothing is read again.
func TestCensusOfThisMachine(t *testing.T) {
	var c Census
	c.Take()
	self := func() inhabitant {
		i := slices.IndexFunc(c.known, func(p inhabitant) bool { return p.pid == os.Getpid() })
		if i < 0 {
			t.Fatalf("this process is not among %d", len(c.known))
		}
		return c.known[i]
	}
	before := self()
	table := c.Take()
	if after := self(); after != before || after.parent != os.Getppid() {
		t.Errorf("this process was %+v, is %+v, its parent is %d", before, after, os.Getppid())
	}
	if len(table.read) > len(c.known)/2 {
		t.Errorf("%d of %d processes were read again", len(table.read), len(c.known))
	}
}
