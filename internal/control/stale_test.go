package control_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"relevo/internal/control"
)

// TestRemoveStale: the socket goes with its lock, and stays while a master holds the lock.
func TestRemoveStale(t *testing.T) {
	dir := t.TempDir()
	socket, lock := filepath.Join(dir, "web.sock"), filepath.Join(dir, "web.lock")
	if err := os.WriteFile(socket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	held, err := control.Acquire(lock)
	if err != nil {
		t.Fatal(err)
	}
	if err := control.RemoveStale(socket, lock); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(socket); err != nil {
		t.Errorf("while a master holds the lock: %v", err)
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time nothing is there
		if err := control.RemoveStale(socket, lock); err != nil {
			t.Error(err)
		}
		for _, path := range []string{socket, lock} {
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is there: %v", path, err)
			}
		}
	}
}
