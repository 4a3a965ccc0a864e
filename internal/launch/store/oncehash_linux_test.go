package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"relevo/internal/procfs"
	"relevo/internal/testreq"
)

// bytesRead counts the bytes that the calling thread reads in a function.
func bytesRead(t *testing.T, f func()) int {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	count := func() int {
		text, err := procfs.Read("/proc/thread-self/io")
		if err != nil {
			t.Fatal(err)
		}
		field, _ := procfs.StatusField(string(text), "rchar")
		n := 0
		for _, digit := range strings.TrimSpace(field) {
			n = 10*n + int(digit-'0')
		}
		return n
	}
	before := count()
	f()
	return count() - before
}

// TestReadOnce: a program is read once for both its copy and its hash. It is read a second time only
// if it was written a moment ago.
func TestReadOnce(t *testing.T) {
	t.Parallel()
	const size = 4 << 20
	b := newBench(t, 1)
	file := b.program(strings.Repeat("x", size))
	seal, err := Note(file)
	if err != nil {
		t.Fatal(err)
	}
	if !seal.fresh {
		t.Error("a file that was just written does not count as fresh")
	}
	seal.fresh = false
	read := bytesRead(t, func() {
		c, err := b.Add(file, "server", About{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := seal.As(c, file); err != nil {
			t.Fatal(err)
		}
	})
	if read < size || read > size*3/2 {
		t.Errorf("%d bytes were read for a program of %d", read, size)
	}
	if sum, known := seal.SumOf(file); !known || sum != seal.SHA256() {
		t.Errorf("the hash is %q, %v", sum, known)
	}
	if err := os.WriteFile(file.Name(), []byte("y"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, known := seal.SumOf(file); known {
		t.Error("the hash of a file that was changed since counts as known")
	}
}

// TestFreshIsReadAgain: writes of a linker through a mapping may not show in the times of the file.
func TestFreshIsReadAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	file := b.program("v1")
	seal, err := Note(file)
	if err != nil {
		t.Fatal(err)
	}
	c, err := b.Add(file, "server", About{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := seal.As(c, file); err != nil {
		t.Errorf("the same bytes: %v", err)
	}
	if err := os.WriteFile(file.Name(), []byte("v2"), 0o755); err != nil {
		t.Fatal(err)
	}
	if changed := new(ChangedError); !errors.As(seal.As(c, file), &changed) {
		t.Error("a difference from the copy was not seen")
	}
	if _, known := seal.SumOf(file); known {
		t.Error("a fresh file counts as known")
	}
}

// TestHolds: a copy is compared with a file byte by byte. A copy that was changed never matches.
func TestHolds(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	long := strings.Repeat("x", 200<<10)
	file := b.program(long)
	c, err := b.Add(file, "server", About{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for name, other := range map[string]struct {
		text string
		same bool
	}{
		"the same": {long, true}, "shorter": {long[1:], false}, "longer": {long + "x", false}, "empty": {"", false},
		"another last byte": {long[1:] + "y", false}, "another first byte": {"y" + long[1:], false},
	} {
		if err := os.WriteFile(file.Name(), []byte(other.text), 0o755); err != nil {
			t.Fatal(err)
		}
		if got := c.Holds(file); got != other.same {
			t.Errorf("%s: %v", name, got)
		}
	}
	if err := errors.Join(os.Chmod(c.Path(), 0o755), os.WriteFile(c.Path(), []byte("z"), 0),
		os.WriteFile(file.Name(), []byte("z"),
			0o755)); err != nil {
		t.Fatal(err)
	}
	if c.Holds(file) {
		t.Error("a changed copy matches a file")
	}
}

// TestHashShared: if one master has hashed a program, another master only copies it.
func TestHashShared(t *testing.T) {
	t.Parallel()
	file, err := os.Open("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	noted, err := Note(file)
	if err != nil {
		t.Fatal(err)
	}
	if noted.fresh {
		testreq.Missing(t, "this test needs a /bin/sh that was not changed in the last seconds")
	}
	want, size, err := hashOf(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "hashes")
	for range 2 {
		b := newBench(t, 1)
		b.ShareHashes(dir)
		c, err := b.Add(file, "sh", About{})
		if err != nil {
			t.Fatal(err)
		}
		copied, err := os.Open(c.Path())
		if err != nil {
			t.Fatal(err)
		}
		got, gotSize, err := hashOf(copied)
		if err != nil || got != want || gotSize != size || c.SHA256() != want || c.Size() != size {
			t.Errorf("the copy is %s of %d bytes, %v; it is called %s; want %s, %d", got, gotSize, err, c.SHA256(), want, size)
		}
		copied.Close()
		c.Close()
	}
	// The second master knew the hash from this memory.
	h := hashes{dir}
	if err := os.WriteFile(h.path(noted.noted), []byte(noted.noted.line()+strings.Repeat("0", 64)), 0o600); err != nil {
		t.Fatal(err)
	}
	if sum, known := h.find(file); !known || sum != strings.Repeat("0", 64) {
		t.Errorf("the hash is %s, %v: it is not remembered", sum, known)
	}
}

// TestHashNotBelieved: a remembered hash is not used for another state of the file, for a file that
// was just written, or from a place where another user can write.
func TestHashNotBelieved(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	file := b.program("v1")
	dir := filepath.Join(t.TempDir(), "hashes")
	h, false64 := hashes{dir}, strings.Repeat("0", 64)
	noted, err := Note(file)
	if err != nil {
		t.Fatal(err)
	}
	h.remember(noted, file, false64)
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the hash of a fresh file is remembered: %v", err)
	}
	noted.fresh = false
	h.remember(noted, file, false64)
	if _, known := h.find(file); known {
		t.Error("the hash of a fresh file counts as known")
	}
	shell, err := os.Open("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	defer shell.Close()
	of, err := Note(shell)
	if err != nil {
		t.Fatal(err)
	}
	if of.fresh {
		testreq.Missing(t, "this test needs a /bin/sh that was not changed in the last seconds")
	}
	earlier := of.noted
	earlier.ctime = earlier.ctime.Add(-1)
	for name, text := range map[string]string{
		"another state": earlier.line() + false64, "too short": of.noted.line() + "00", "nothing": "",
		"more": of.noted.line() + false64 + "0",
	} {
		if err := os.WriteFile(h.path(of.noted), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if sum, known := h.find(shell); known {
			t.Errorf("%s: %q is used", name, sum)
		}
	}
	right := []byte(of.noted.line() + false64)
	if err := errors.Join(os.WriteFile(h.path(of.noted), right, 0o600), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	if _, known := h.find(shell); known {
		t.Error("a hash from a directory that all can write to is used")
	}
}
