package logfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// tooLong is the time after which a test fails.
const tooLong = time.Minute

func source(slot int, stream string) Source {
	return Source{Slot: slot, Generation: 1, PID: 100 + slot, Stream: stream}
}

// all reads a directory from beginning to end, and joins split lines.
func all(t *testing.T, dir string) (records []Record) {
	t.Helper()
	c := NewCursor(dir)
	defer c.Close()
	var j Joiner
	for {
		r, err := c.Next()
		if err == io.EOF {
			return records
		}
		if err != nil {
			t.Fatal(err)
		}
		if whole, ok := j.Join(r); ok {
			records = append(records, whole)
		}
	}
}

func texts(records []Record) (all []string) {
	for _, r := range records {
		all = append(all, r.Text)
	}
	return all
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(tooLong); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s", what)
		}
	}
}

// TestLines: lines are whole and in order however they are written, long lines are joined again,
// and begun lines wait for their end.
func TestLines(t *testing.T) {
	dir := t.TempDir()
	w := New(Options{Dir: dir})
	s := w.Stream(source(3, Out), []byte("from the master "), false)
	long := strings.Repeat("x", 3*maxPiece+5)
	for _, part := range []string{"before\n", "\n", "a", "b", "c\nd\n", long[:10], long[10:], "\nbegun"} {
		fmt.Fprint(s, part)
	}
	if got := string(s.Take()); got != "begun" {
		t.Errorf("%q has begun", got)
	}
	s.Sync()
	want := []string{"from the master before", "", "abc", "d", long}
	if got := all(t, dir); !slices.Equal(texts(got), want) || got[0].Slot != 3 || got[0].PID != 103 {
		t.Errorf("got %q", texts(got))
	}
	torn := w.Stream(source(4, Err), nil, true)
	fmt.Fprint(torn, "half\nwhole\nlast")
	torn.Flush()
	w.Close()
	got := all(t, dir)[len(want):]
	if !got[0].Torn || got[1].Torn || !slices.Equal(texts(got), []string{"half", "whole", "last"}) {
		t.Errorf("got %+v", got)
	}
}

// TestNothingWritten: without a line there is no file, and no directory.
func TestNothingWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	w := New(Options{Dir: dir})
	w.Sync()
	w.Close()
	if _, err := os.Lstat(dir); err == nil {
		t.Error("the directory was made")
	}
}

// TestRotation: rotation neither loses nor tears lines of several streams, old files are
// compressed, and no more than Keep stay.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	w := New(Options{Dir: dir, Limits: Limits{MaxSize: MinSize, Keep: 1000}})
	const streams, lines = 4, 5000
	var writing sync.WaitGroup
	for slot := range streams {
		writing.Go(func() {
			s := w.Stream(source(slot, Out), nil, false)
			for i := range lines {
				fmt.Fprintf(s, "%d of %d\n", i, slot)
			}
		})
	}
	writing.Wait()
	w.Sync()
	next := [streams]int{}
	for _, r := range all(t, dir) {
		if want := fmt.Sprintf("%d of %d", next[r.Slot], r.Slot); r.Text != want {
			t.Fatalf("got %q, want %q", r.Text, want)
		}
		next[r.Slot]++
	}
	if next != [streams]int{lines, lines, lines, lines} {
		t.Errorf("of %d lines %v are there", lines, next)
	}
	files, _ := Files(dir)
	await(t, "the compression", func() bool {
		files, _ = Files(dir)
		return !slices.ContainsFunc(files[:len(files)-1], func(f File) bool { return !f.Packed })
	})
	if len(files) < 10 {
		t.Errorf("there are %d files", len(files))
	}
	for _, f := range files {
		if info, err := os.Stat(f.Path); err != nil || info.Size() > MinSize || info.Mode() != fileMode {
			t.Errorf("%s: %v, %v", f.Path, info, err)
		}
	}
	w.Close()
	w = New(Options{Dir: dir, Limits: Limits{MaxSize: MinSize, Keep: 2}})
	fmt.Fprintln(w.Stream(source(0, Out), nil, false), "after all")
	w.Close()
	kept, _ := Files(dir)
	if len(kept) != 3 || kept[2].Number != files[len(files)-1].Number {
		t.Errorf("%v stay", kept)
	}
}

// full is a disk with room for so many more bytes.
type full struct {
	mu   sync.Mutex
	room int
}

func (d *full) write(f *os.File, b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := f.Write(b[:min(len(b), d.room)])
	if d.room -= n; n < len(b) && err == nil {
		err = syscall.ENOSPC
	}
	return n, err
}

func (d *full) free(room int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = room
}

// TestFullDisk: the Writer counts what it cannot write, reports it in the files and to the master,
// and continues. No line is torn although the disk took a part of one.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	disk := &full{room: 1000}
	told := make(chan Loss, 10)
	w := New(Options{Dir: dir, Write: disk.write, Tell: func(l Loss) { told <- l }})
	s := w.Stream(source(0, Out), nil, false)
	const lines = 100
	for i := range lines {
		fmt.Fprintf(s, "line %d\n", i)
		w.Sync()
	}
	if l := <-told; !errors.Is(l.Err, syscall.ENOSPC) {
		t.Errorf("told %+v", l)
	}
	disk.free(1 << 20)
	fmt.Fprintln(s, "there is room again")
	w.Close()
	end := <-told
	got := all(t, dir)
	n := len(got) - 2
	for i, r := range got[:n] {
		if r.Text != fmt.Sprintf("line %d", i) || r.Stream != Out {
			t.Fatalf("line %d is %+v", i, r)
		}
	}
	note := fmt.Sprintf("relevo: %d lines (%d bytes) of output were lost from ", lines-n, end.Bytes)
	why := syscall.ENOSPC.Error()
	if !strings.HasPrefix(got[n].Text, note) || !strings.HasSuffix(got[n].Text, why) || got[n].Stream != Log {
		t.Errorf("the note is %q, want %q", got[n].Text, note)
	}
	if end.Err != nil || end.Lines != int64(lines-n) || got[n+1].Text != "there is room again" || n < 5 {
		t.Errorf("%d lines are there, told was %+v", n, end)
	}
}

// TestFullDiskOldestFirst: as long as there are old files, they are removed and nothing is lost.
func TestFullDiskOldestFirst(t *testing.T) {
	dir := t.TempDir()
	used := func() (total int64) {
		files, _ := Files(dir)
		for _, f := range files {
			if info, err := os.Stat(f.Path); err == nil {
				total += info.Size()
			}
		}
		return total
	}
	w := New(Options{Dir: dir, Limits: Limits{MaxSize: MinSize}, Write: func(f *os.File, b []byte) (int, error) {
		if used()+int64(len(b)) > 3*MinSize {
			return 0, syscall.ENOSPC
		}
		return f.Write(b)
	}, Tell: func(l Loss) { t.Errorf("told %+v", l) }})
	w.disk.pack = func() {} // files stay as large as they are
	s := w.Stream(source(0, Out), nil, false)
	const lines = 10000
	for i := range lines {
		fmt.Fprintf(s, "line %d\n", i)
	}
	w.Close()
	got := texts(all(t, dir))
	for i, text := range got {
		if want := fmt.Sprintf("line %d", lines-len(got)+i); text != want {
			t.Fatalf("got %q, want %q", text, want)
		}
	}
	if files, _ := Files(dir); len(got) < 1000 || files[0].Number == 1 {
		t.Errorf("%d lines are there, in %v", len(got), files)
	}
}

// TestStuckDisk: a disk that does not respond blocks no worker for good, and the losses are
// reported when it continues.
func TestStuckDisk(t *testing.T) {
	dir := t.TempDir()
	stuck := make(chan struct{})
	w := New(Options{Dir: dir, Patience: 20 * time.Millisecond, Write: func(f *os.File, b []byte) (int, error) {
		<-stuck
		return f.Write(b)
	}})
	s, log := w.Stream(source(0, Out), nil, false), w.Stream(Source{Slot: -1, Stream: Log}, nil, false)
	text := strings.Repeat("x", 1000)
	const lines = 2 * bufferBytes / 1000
	for i := range lines {
		fmt.Fprintf(s, "%d %s\n", i, text) // ends, although nothing is written
		fmt.Fprintf(log, "%d\n", i)
	}
	close(stuck)
	w.Sync()
	fmt.Fprintln(s, "again")
	w.Close()
	var out, noted int
	for _, r := range all(t, dir) {
		_, err := fmt.Sscanf(r.Text, "relevo: %d lines", &noted)
		if err == nil && !strings.HasSuffix(r.Text, errStuck.Error()) {
			t.Errorf("the note is %q", r.Text)
		}
		if r.Stream == Out {
			out++
		}
	}
	if noted == 0 || out < lines/4 || out > lines {
		t.Errorf("%d of %d lines are there, %d are told to be lost", out, lines, noted)
	}
}

// TestRemovedFiles: a person may remove the files or their directory.
func TestRemovedFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	w := New(Options{Dir: dir})
	s := w.Stream(source(0, Out), nil, false)
	fmt.Fprintln(s, "one")
	w.Sync()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(s, "two")
	w.Sync()
	if n, err := Flush(dir); n != 1 || err != nil {
		t.Errorf("removed %d files, %v", n, err)
	}
	fmt.Fprintln(s, "three")
	w.Close()
	if link, _ := os.Readlink(filepath.Join(dir, current)); link != "000002.log" {
		t.Errorf("%s leads to %s", current, link)
	}
	if got := texts(all(t, dir)); !slices.Equal(got, []string{"three"}) {
		t.Errorf("got %q", got)
	}
}

// TestAge: a file is closed because of the age of its first line, even if another master wrote that
// line.
func TestAge(t *testing.T) {
	dir := t.TempDir()
	limits := Limits{MaxSize: MinSize, MaxAge: time.Hour, Keep: 10}
	d := disk{dir: dir, wanted: limits, write: (*os.File).Write, pack: func() {}}
	begun := time.Now()
	for i, after := range []time.Duration{0, 59 * time.Minute, time.Hour, 119 * time.Minute, 120 * time.Minute} {
		if i == 3 {
			d.close() // another master has taken over
		}
		at := begun.Add(after)
		if left, err := d.put(appendRecord(nil, at, " 0 g1 1 out", "", []byte("x")), at); err != nil || len(left) > 0 {
			t.Fatal(left, err)
		}
	}
	d.close()
	if d.number != 3 {
		t.Errorf("there are %d files, want 3", d.number)
	}
}

// TestHalfLine: the half line of a killed master is cut off.
func TestHalfLine(t *testing.T) {
	dir := t.TempDir()
	whole := string(appendRecord(nil, time.Now(), " 0 g1 1 out", "", []byte("whole")))
	for _, half := range []string{"2026-", whole[:len(whole)-1], whole[:40] + strings.Repeat("y", maxPiece)} {
		if err := os.WriteFile(plainPath(dir, 1), []byte(whole+half), fileMode); err != nil {
			t.Fatal(err)
		}
		w := New(Options{Dir: dir})
		fmt.Fprintln(w.Stream(source(0, Out), nil, false), "next")
		w.Close()
		if got := texts(all(t, dir)); !slices.Equal(got, []string{"whole", "next"}) {
			t.Errorf("after %.20q: %q", half, got)
		}
	}
}
