package control_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/control"
	"relevo/internal/testleft"
	"relevo/internal/testreq"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.lock")
	first, err := control.Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the lock file: %v, %v", info.Mode(), err)
	}
	before := len(testleft.OpenFiles())
	for range 3 {
		if _, err := control.Acquire(path); !errors.Is(err, control.ErrLocked) {
			t.Errorf("the second: %v, want ErrLocked", err)
		}
	}
	wantEqual(t, "open files", len(testleft.OpenFiles()), before)
	if err := first.Unlock(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the lock file after Release: %v", err)
	}
	second, err := control.Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Unlock(); err != nil {
		t.Error(err)
	}
}

// TestAwaitGivenUp: it returns when the lock is free, at once where its holder does not end, and it
// makes no file.
func TestAwaitGivenUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.lock")
	control.AwaitGivenUp(path, func() bool { return true })
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it made the lock file: %v", err)
	}
	held, err := control.Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	looks := 0
	if control.AwaitGivenUp(path, func() bool { looks++; return false }) {
		t.Error("a lock that is held counts as given up")
	}
	wantEqual(t, "looks at a holder that does not end", looks, 1)
	left := filepath.Join(t.TempDir(), "left.lock")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	control.AwaitGivenUp(left, func() bool { t.Error("the file of a killed master counts as a lock"); return false })
	looks = 0
	control.AwaitGivenUp(path, func() bool {
		if looks++; looks == 2 {
			if err := held.Unlock(); err != nil {
				t.Error(err)
			}
		}
		return true
	})
	wantEqual(t, "looks at a holder that ends", looks, 2)
}

func TestLockFails(t *testing.T) {
	_, err := control.Acquire("/nowhere/web.lock")
	if err == nil || !strings.HasPrefix(err.Error(), "cannot open the lock: ") || errors.Is(err, control.ErrLocked) {
		t.Error(err)
	}
}

// The kernel frees the lock of a master that is killed, though its file stays.
func TestLockOfTheDead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.lock")
	holder := spawn(t, "lock", path)
	wantEqual(t, "holder", holder.line(), "locked")
	if _, err := control.Acquire(path); !errors.Is(err, control.ErrLocked) {
		t.Errorf("while it lives: %v, want ErrLocked", err)
	}
	if err := holder.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	holder.cmd.Wait()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the lock file of the dead: %v", err)
	}
	lock, err := control.Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Unlock(); err != nil {
		t.Error(err)
	}
}

// Two processes that come while the owner removes the file never both have the lock.
func TestLockRemovalRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.lock")
	var holders, taken atomic.Int32
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 2000 {
				lock, err := control.Acquire(path)
				if errors.Is(err, control.ErrLocked) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				taken.Add(1)
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d have the lock", n)
				}
				holders.Add(-1)
				if err := lock.Unlock(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if taken.Load() == 0 {
		t.Error("nobody ever had the lock")
	}
}

func TestMakeRuntimeDir(t *testing.T) {
	old := unix.Umask(0)
	defer unix.Umask(old)
	top := t.TempDir()
	if err := os.Chmod(top, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(top, "run", "relevo")
	for range 2 {
		if err := control.MakeRuntimeDir(dir); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]fs.FileMode{dir: 0o711, filepath.Dir(dir): 0o755} {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, path, info.Mode(), want|fs.ModeDir)
	}
}

// A slash at the end changes nothing.
func TestMakeRuntimeDirSlash(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "relevo")
	if err := control.MakeRuntimeDir(dir + "/"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "mode", info.Mode(), 0o711|fs.ModeDir)
}

func TestMakeRuntimeDirRefuses(t *testing.T) {
	tests := []struct {
		name   string
		make   func(dir string) error
		suffix string
		want   string
	}{
		{"symlink", func(dir string) error { return os.Symlink(t.TempDir(), dir) }, "", "it is not a directory"},
		{"symlink with a slash",
			func(dir string) error { return os.Symlink(t.TempDir(), dir) }, "/", "it is not a directory"},
		{"dangling symlink", func(dir string) error { return os.Symlink("/nowhere", dir) }, "", "it is not a directory"},
		{"file", func(dir string) error { return os.WriteFile(dir, nil, 0o600) }, "", "it is not a directory"},
		{"open to everybody", func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777)) }, "",
			"every user can write to it; chmod go-w "},
		{"sticky",
			func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777|fs.ModeSticky)) }, "",
			"every user can write to it"},
		{"below a file", func(dir string) error { return os.WriteFile(dir, nil, 0o600) }, "/relevo",
			"set RELEVO_RUNTIME_DIR to one that you can write to"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "relevo")
			if err := test.make(dir); err != nil {
				t.Fatal(err)
			}
			err := control.MakeRuntimeDir(dir + test.suffix)
			if err == nil || !strings.HasPrefix(err.Error(), "cannot ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// A directory of another user is not ours to trust; root's is.
func TestMakeRuntimeDirOfOthers(t *testing.T) {
	testreq.Root(t)
	dir := filepath.Join(t.TempDir(), "relevo")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	err := control.MakeRuntimeDir(dir)
	wantEqual(t, "nobody's, for root", err, "cannot use "+dir+" as the runtime directory: it belongs to user 65534")

	place := filepath.Dir(place(t))
	if err := os.Chmod(place, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		uid  int
		want string
	}{
		"roots":    {0, "<nil>"},
		"anothers": {12345, "cannot use " + place + "/anothers as the runtime directory: it belongs to user 12345"},
		"own":      {nobody, "<nil>"},
	} {
		dir := filepath.Join(place, name)
		if err := errors.Join(os.Mkdir(dir, 0o755), os.Chown(dir, test.uid, -1)); err != nil {
			t.Fatal(err)
		}
		wantEqual(t, name, spawn(t, "dir", dir).line(), test.want)
	}
	wantEqual(t, "without a right to make one", spawn(t, "dir", filepath.Join(place, "new")).line(),
		"cannot make the runtime directory: mkdir "+place+
			"/new: permission denied; set RELEVO_RUNTIME_DIR to one that you can write to")
}
