package logfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/testreq"
)

// takeAll fills the disk with a file.
func takeAll(file *os.File) {
	block := make([]byte, 4096)
	for err := error(nil); err == nil; {
		_, err = file.Write(block)
	}
}

// numbered is a line of about 60 bytes.
func numbered(i int) string { return fmt.Sprint(i, " ", strings.Repeat("#", 50)) }

// checkNumbered checks that the records are consecutive numbered lines that end before last. It
// returns the first number.
func checkNumbered(t *testing.T, records []Record, last int) (first int) {
	t.Helper()
	first = -1
	next := 0
	for _, r := range records {
		if r.Stream == Log {
			continue
		}
		if first < 0 {
			fmt.Sscan(r.Text, &first)
			next = first
		}
		if r.Text != numbered(next) {
			t.Fatalf("got %.20q, want line %d", r.Text, next)
		}
		next++
	}
	if next != last {
		t.Fatalf("the last line is %d, want %d", next-1, last-1)
	}
	return first
}

// TestSmallDisk: on a real file system that is far too small, the newest lines stay, no line is
// torn, and lines that found no room, because of another program's file, are counted.
func TestSmallDisk(t *testing.T) {
	mount := t.TempDir()
	if err := unix.Mount("relevo-test", mount, "tmpfs", 0, "size=1m"); err != nil {
		testreq.Missing(t, "this test mounts a tmpfs: "+err.Error())
	}
	t.Cleanup(func() { unix.Unmount(mount, unix.MNT_DETACH) })
	dir := filepath.Join(mount, "log")
	told := make(chan Loss, 1000)
	w := New(Options{Dir: dir, Tell: func(l Loss) { told <- l }})
	s := w.Stream(source(0, Out), nil, false)
	const lines = 50_000 // 5 MB
	for i := range lines {
		fmt.Fprintln(s, numbered(i))
	}
	w.Sync()
	if len(told) > 0 {
		t.Fatalf("lost %+v, where old files could go", <-told)
	}
	if first := checkNumbered(t, all(t, dir), lines); first > lines-2000 {
		t.Errorf("only the lines from %d on are there", first)
	}

	// From here on compression frees no space.
	w.disk.pack = func() {}
	w.pack.all.Wait()

	// Another program takes the free space, and also what removed files leave.
	filler, err := os.Create(filepath.Join(mount, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	written := lines
	for len(told) == 0 {
		takeAll(filler)
		for range 100 {
			fmt.Fprintln(s, numbered(written))
			written++
		}
		w.Sync()
	}
	if l := <-told; l.Err == nil {
		t.Errorf("told %+v", l)
	}
	filler.Close()
	os.Remove(filler.Name())
	fmt.Fprintf(s, "after it\n")
	w.Close()
	over := <-told
	records := all(t, dir)
	if n := len(records); records[n-1].Text != "after it" || records[n-2].Stream != Log {
		t.Fatalf("the end is %+v", records[n-2:])
	}
	checkNumbered(t, records[:len(records)-2], written-int(over.Lines))
}
