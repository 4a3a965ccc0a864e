package store

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"relevo/internal/procfs"
)

// bytesRead counts what a function has the calling thread read.
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

// TestReadOnce: a program is read once, for its copy and for its hash; a second time only if it
// was written to a moment ago.
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
		if err := seal.As(c.SHA256(), file); err != nil {
			t.Fatal(err)
		}
	})
	if read < size || read > size*3/2 {
		t.Errorf("%d bytes were read of a program of %d", read, size)
	}
	if sum, known := seal.SumOf(file); !known || sum != seal.SHA256() {
		t.Errorf("the hash is %q, %v", sum, known)
	}
	if err := os.WriteFile(file.Name(), []byte("y"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, known := seal.SumOf(file); known {
		t.Error("the hash of a file that was written to since counts as known")
	}
}

// TestFreshIsReadAgain: what a linker writes by way of a mapping may not show in the times of
// the file.
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
	if err := seal.As(c.SHA256(), file); err != nil {
		t.Errorf("the same bytes: %v", err)
	}
	if err := os.WriteFile(file.Name(), []byte("v2"), 0o755); err != nil {
		t.Fatal(err)
	}
	if changed := new(ChangedError); !errors.As(seal.As(c.SHA256(), file), &changed) {
		t.Error("other bytes than those of the copy went unseen")
	}
	if _, known := seal.SumOf(file); known {
		t.Error("a fresh file counts as known")
	}
}
