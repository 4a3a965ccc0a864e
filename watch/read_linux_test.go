package watch

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestTruncated(t *testing.T) {
	t.Parallel()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	size := len(self)
	f, err := elf.NewFile(bytes.NewReader(self))
	if err != nil {
		t.Fatal(err)
	}
	var end uint64 // after the last byte that the tables mention
	for _, s := range f.Sections {
		if s.Type != elf.SHT_NOBITS {
			end = max(end, s.Offset+s.FileSize)
		}
	}
	for n, want := range map[int]bool{3: false, 4: true, 63: true, 4096: true, size / 2: true, int(end) - 1: true,
		size: false} {
		if got := truncated(bytes.NewReader(self[:n]), int64(n)); got != want {
			t.Errorf("the first %d of %d bytes: truncated %v, want %v", n, size, got, want)
		}
	}
	if truncated(strings.NewReader(v1), int64(len(v1))) {
		t.Error("a script counts as truncated")
	}
}

// If a file is replaced or changed after the look at it and before its last byte is read, its
// hash is not used.
func TestChangedWhileRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "srv")
	put(t, path, v1)
	r := resolve(path)
	f, err := open(r)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if s, err := (Options{}).sum(t.Context(), f, r.id); err != nil || s != hashOf(v1) {
		t.Errorf("sum of an unchanged file: %s, %v", s, err)
	}
	os.Chtimes(path, time.Time{}, time.Unix(1000, 0))
	if s, err := (Options{}).sum(t.Context(), f, r.id); !errors.Is(err, errUnfinished) {
		t.Errorf("sum of a changed file: %q, %v", s, err)
	}
	if f, err := open(r); !errors.Is(err, errUnfinished) {
		t.Errorf("open of a changed file: %v, %v", f, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Options{}).sum(ended, f, resolve(path).id); !errors.Is(err, context.Canceled) {
		t.Errorf("sum after the end of the context: %v", err)
	}
}

// A fifo that took the file's place since it was looked at does not block.
func TestFifoInBetween(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "srv")
	if err := syscall.Mkfifo(path, 0o755); err != nil {
		t.Fatal(err)
	}
	opened := make(chan error, 1)
	go func() {
		_, err := open(resolution{file: path})
		opened <- err
	}()
	select {
	case err := <-opened:
		if !errors.Is(err, errUnfinished) {
			t.Errorf("open: %v", err)
		}
	case <-time.After(tooLong):
		t.Fatal("open waits for a writer")
	}
}

// A change within one step of the file system's clock leaves no trace in the
// identity, so a fresh one proves nothing.
func TestSettledIdentity(t *testing.T) {
	t.Parallel()
	changed := time.Unix(1000, 0)
	id := identity{ctime: changed.UnixNano()}
	for after, want := range map[time.Duration]bool{-time.Hour: false, 0: false, clockTick: false, 2 * clockTick: true} {
		if got := id.settled(changed.Add(after)); got != want {
			t.Errorf("settled %v after the change: %v", after, got)
		}
	}
}
