package logfile

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func everything(Record) bool { return true }

// fill makes files with so many lines each, numbered consecutively, a second apart.
func fill(t *testing.T, dir string, begin time.Time, counts ...int) {
	t.Helper()
	i := 0
	for number, count := range counts {
		var text []byte
		for range count {
			text = appendRecord(text, begin.Add(time.Duration(i)*time.Second), " 0 g1 1 out", "", fmt.Append(nil, i))
			i++
		}
		if err := os.WriteFile(plainPath(dir, number+1), text, fileMode); err != nil {
			t.Fatal(err)
		}
	}
}

func numbers(from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

// TestTail: the last lines come from as many files as needed, and the cursor continues after them.
func TestTail(t *testing.T) {
	dir := t.TempDir()
	const large = 5000 // lines, more than are read from the end at once
	fill(t, dir, time.Now(), 10, 10, 0, large, 3)
	p := newPacker(dir)
	for _, f := range []int{1, 2} {
		if err := p.pack(File{f, plainPath(dir, f), false}); err != nil {
			t.Fatal(err)
		}
	}
	const total = 20 + large + 3
	for _, n := range []int{0, 1, 3, 4, large, large + 4, large + 15, total, total + 100} {
		got, after, err := Tail(dir, n, everything)
		if want := numbers(max(0, total-n), total); err != nil || !slices.Equal(texts(got), want) {
			t.Errorf("%d: got %d lines, %v", n, len(got), err)
		}
		if r, err := after.Next(); err != io.EOF {
			t.Errorf("%d: and then %+v, %v", n, r, err)
		}
		after.Close()
	}
	odd := func(r Record) bool { return strings.HasSuffix(r.Text, "7") }
	got, after, err := Tail(dir, 3, odd)
	if want := []string{"4997", "5007", "5017"}; err != nil || !slices.Equal(texts(got), want) {
		t.Errorf("got %q, %v", texts(got), err)
	}
	w := New(Options{Dir: dir})
	fmt.Fprintln(w.Stream(source(0, Out), nil, false), "new")
	w.Close()
	if r, err := after.Next(); r.Text != "new" || err != nil {
		t.Errorf("and then %+v, %v", r, err)
	}
	after.Close()
	if got, after, err := Tail(t.TempDir(), 3, everything); len(got) > 0 || err != nil || after == nil {
		t.Errorf("of nothing: %v, %v", got, err)
	}
}

// TestSince: reading begins with the file that may hold the first line of that time.
func TestSince(t *testing.T) {
	dir, begin := t.TempDir(), time.Now().UTC().Truncate(time.Second)
	fill(t, dir, begin, 10, 10, 10)
	if err := newPacker(dir).pack(File{2, plainPath(dir, 2), false}); err != nil {
		t.Fatal(err)
	}
	for after, want := range map[int]string{-5: "0", 0: "0", 5: "0", 10: "0", 11: "10", 25: "20", 100: "20"} {
		c, err := Since(dir, begin.Add(time.Duration(after)*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if r, err := c.Next(); r.Text != want || err != nil {
			t.Errorf("from %d s on it begins with %+v, %v", after, r, err)
		}
		c.Close()
	}
}

// TestFollow: a reader gets each line once, over rotations, compression and a change of writers,
// and learns which files were removed before it read them.
func TestFollow(t *testing.T) {
	dir := t.TempDir()
	c := NewCursor(dir)
	defer c.Close()
	next := 0
	read := func() {
		t.Helper()
		for {
			r, err := c.Next()
			if err == io.EOF {
				return
			}
			if err != nil || r.Text != fmt.Sprint(next) {
				t.Fatalf("got %+v, %v, want %d", r, err, next)
			}
			next++
		}
	}
	written := 0
	w := New(Options{Dir: dir, Limits: Limits{MaxSize: MinSize}})
	write := func(lines int) {
		s := w.Stream(source(0, Out), nil, false)
		for range lines {
			fmt.Fprintln(s, written)
			written++
		}
		w.Sync()
	}
	for i := range 40 {
		write(700)
		if i%3 != 0 { // it may be a little behind
			read()
		}
		if i%10 == 9 {
			w.Close()
			w = New(Options{Dir: dir, Limits: Limits{MaxSize: MinSize}})
		}
	}
	read()
	if next != written || c.Missed() != 0 {
		t.Errorf("read %d of %d lines", next, written)
	}
	w.Close()
}

// TestFollowBehind: a slow reader learns how many files were removed before it read them.
func TestFollowBehind(t *testing.T) {
	dir := t.TempDir()
	c := NewCursor(dir)
	defer c.Close()
	w := New(Options{Dir: dir, Limits: Limits{MaxSize: MinSize, Keep: -1}})
	s := w.Stream(source(0, Out), nil, false)
	write := func(from, to int) {
		for i := from; i < to; i++ {
			fmt.Fprintln(s, i)
		}
		w.Sync()
	}
	const lines = 10000
	write(0, 10)
	if r, err := c.Next(); r.Text != "0" || err != nil {
		t.Fatalf("got %+v, %v", r, err)
	}
	write(10, lines) // many files come and go; the reader's open file stays readable
	next, gaps := 1, 0
	for {
		r, err := c.Next()
		if err == io.EOF {
			break
		}
		var number int
		fmt.Sscan(r.Text, &number)
		if number != next {
			if gaps++; c.Missed() == 0 {
				t.Fatalf("lines %d to %d are missing, and that is not told", next, number)
			}
		}
		next = number + 1
	}
	if next != lines || gaps != 1 {
		t.Errorf("read to %d of %d, with %d gaps", next, lines, gaps)
	}
	w.Close()
}

// TestFollowHalfLine: the half line of a killed master is not shown, and the lines after it are
// shown once.
func TestFollowHalfLine(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, time.Now(), 3)
	file, err := os.OpenFile(plainPath(dir, 1), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(file, "2026-11-26T08:16:39.123456Z 0 g1 1 out ha")
	file.Close()
	c := NewCursor(dir)
	defer c.Close()
	var got []string
	read := func() {
		for {
			r, err := c.Next()
			if err != nil {
				return
			}
			got = append(got, r.Text)
		}
	}
	read()
	w := New(Options{Dir: dir})
	if _, err := w.disk.open(time.Now()); err != nil { // this removes the half line
		t.Fatal(err)
	}
	read()
	fmt.Fprintln(w.Stream(source(0, Out), nil, false), "next")
	w.Close()
	read()
	if want := []string{"0", "1", "2", "next"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestUnfinishedCompression: an unfinished compressed file of a killed master is removed, and a
// file that exists twice is read once.
func TestUnfinishedCompression(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, time.Now(), 10, 10, 10)
	part := packedPath(dir, 1) + ".123" + unfinish
	os.WriteFile(part, []byte("part"), fileMode)
	plain, _ := os.ReadFile(plainPath(dir, 2))
	if err := newPacker(dir).pack(File{2, plainPath(dir, 2), false}); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(plainPath(dir, 2), plain, fileMode) // was not removed
	if got := texts(all(t, dir)); !slices.Equal(got, numbers(0, 30)) {
		t.Errorf("got %q", got)
	}
	w := New(Options{Dir: dir})
	fmt.Fprintln(w.Stream(source(0, Out), nil, false), "30")
	w.Sync()
	await(t, "the compression", func() bool {
		_, one := os.Lstat(plainPath(dir, 1))
		_, two := os.Lstat(plainPath(dir, 2))
		return one != nil && two != nil
	})
	w.Close()
	if _, err := os.Lstat(part); err == nil {
		t.Error("the unfinished file is there")
	}
	if got := texts(all(t, dir)); !slices.Equal(got, numbers(0, 31)) {
		t.Errorf("got %q", got)
	}
}

// TestDamagedFile: a compressed file that cannot be read does not hide the others.
func TestDamagedFile(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, time.Now(), 10, 0, 10)
	os.Remove(plainPath(dir, 2))
	os.WriteFile(packedPath(dir, 2), []byte("no gzip"), fileMode)
	if got := texts(all(t, dir)); !slices.Equal(got, numbers(0, 20)) {
		t.Errorf("got %q", got)
	}
	if got, after, err := Tail(dir, 100, everything); !slices.Equal(texts(got), numbers(0, 20)) || err != nil {
		t.Errorf("got %q, %v", texts(got), err)
	} else {
		after.Close()
	}
}

// TestFollowLastMoment: lines added between reading a file's end and looking for the next file are
// read.
func TestFollowLastMoment(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, time.Now(), 3)
	c := NewCursor(dir)
	defer c.Close()
	for range 3 {
		c.Next()
	}
	if n, err := c.fill(); n > 0 || err != io.EOF {
		t.Fatal(n, err)
	}
	fill(t, dir, time.Now(), 4, 1) // the rewritten file is the same, with one more line
	if err := c.finish(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"3", "4"} {
		if r, err := c.Next(); r.Text != want || err != nil {
			t.Errorf("got %+v, %v, want %s", r, err, want)
		}
	}
}

// TestPassedOver: a file that a listing has missed, because it was being compressed, is found by
// its name; a removed file is not.
func TestPassedOver(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{plainPath(dir, 3), packedPath(dir, 4), packedPath(dir, 6), plainPath(dir, 8)} {
		if err := os.WriteFile(path, nil, fileMode); err != nil {
			t.Fatal(err)
		}
	}
	listed := map[int]File{8: {8, plainPath(dir, 8), false}, 4: {4, packedPath(dir, 4), true}}
	addPassedOver(dir, listed)
	if len(listed) != 4 || listed[3].Packed || !listed[6].Packed {
		t.Errorf("got %v", listed)
	}
}

// TestRemovedWhileCompressed: a file that is removed while it is compressed does not come
// back.
func TestRemovedWhileCompressed(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, time.Now(), 3, 3)
	p := newPacker(dir)
	file, err := os.Open(plainPath(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := remove(dir, 1); err != nil {
		t.Fatal(err)
	}
	if err := p.packFrom(file, File{1, plainPath(dir, 1), false}); err == nil {
		t.Error("it says that it is compressed")
	}
	if files, _ := Files(dir); len(files) != 1 {
		t.Errorf("there are %v", files)
	}
}
