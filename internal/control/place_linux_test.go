package control_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/control"
	"relevo/internal/testreq"
)

// TestFalseMaster: nothing is said to a socket that another user may have put there,
// nor to a process of another user.
func TestFalseMaster(t *testing.T) {
	testreq.Root(t)
	for name, test := range map[string]struct {
		uid  int // of the directory
		mode os.FileMode
		sock int    // user of the socket
		want string // the victim's answer
		root string // root's
	}{
		"the other's directory": {nobody, 0o755, nobody, "4 it belongs to user 65534", "0 <nil>"},
		"open directory": {victim, 0o777, nobody, "4 every user can write to it",
			"4 every user can write to it"},
		"open sticky directory": {0, 0o777 | os.ModeSticky, nobody, "4 every user can write to it", "4 every user"},
		"the other's socket":    {victim, 0o755, nobody, "4 it belongs to user 65534", "4 it belongs to user 65534"},
		"the other's process": {victim, 0o755, victim, "4 a process of user 65534 listens there",
			"4 a process of user 65534"},
		"root's directory":             {0, 0o755, nobody, "4 it belongs to user 65534", "4 it belongs to user 65534"},
		"root's, and the process's is": {0, 0o755, 0, "4 a process of user 65534 listens there", "4 a process of user 65534"},
	} {
		t.Run(name, func(t *testing.T) {
			path := place(t)
			dir := filepath.Dir(path)
			if err := os.Chmod(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "false master", spawn(t, "pretend", path).line(), "listening")
			if err := errors.Join(os.Chown(path, test.sock, 0), os.Chmod(path, 0o777), os.Chown(dir, test.uid, 0),
				os.Chmod(dir, test.mode)); err != nil {
				t.Fatal(err)
			}
			says(t, "victim", spawn(t, "trust", path).line(), test.want)
			says(t, "root", sendSecret(path), test.root)
			_, err := control.Names(dir)
			if open := test.mode&0o002 != 0; open != (control.ExitCode(err) == control.ExitNotPermitted) {
				t.Errorf("Names: %v", err)
			}
		})
	}
}

func says(t *testing.T, who, got, want string) {
	t.Helper()
	code, text, _ := strings.Cut(want, " ")
	if !strings.HasPrefix(got, code+" ") || !strings.Contains(got, text) {
		t.Errorf("%s: got %q, want %q", who, got, want)
	}
}

// TestLockIsOurs: the lock does not lead elsewhere, and nobody else can take it.
func TestLockIsOurs(t *testing.T) {
	dir := t.TempDir()
	path, elsewhere := filepath.Join(dir, "web.lock"), filepath.Join(dir, "elsewhere")
	for what, put := range map[string]func() error{
		"a link":      func() error { return os.Symlink(elsewhere, path) },
		"a pipe":      func() error { return unix.Mkfifo(path, 0o600) },
		"a directory": func() error { return os.Mkdir(path, 0o700) },
	} {
		if err := put(); err != nil {
			t.Fatal(err)
		}
		if _, err := control.Acquire(path); err == nil || errors.Is(err, control.ErrLocked) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := os.Stat(elsewhere); err == nil {
			t.Errorf("%s: a file was made elsewhere", what)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o666)); err != nil {
		t.Fatal(err)
	}
	lock, err := control.Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the lock is %v, %v", info.Mode(), err)
	}
	_, err = control.Acquire(path)
	if want := fmt.Sprintf("pid %d (", os.Getpid()); !errors.Is(err, control.ErrLocked) ||
		!strings.Contains(err.Error(), want) {
		t.Errorf("the second: %v, want %q", err, want)
	}
}

// TestRuntimeDirUnderUmask: workers of another user get through to their socket.
func TestRuntimeDirUnderUmask(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run", "relevo")
	wantEqual(t, "made", spawn(t, "umask", dir).line(), "<nil>")
	for path, want := range map[string]os.FileMode{filepath.Dir(dir): 0o755, dir: 0o711} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s is %v, want %v (%v)", path, info.Mode(), want, err)
		}
	}
	for before, after := range map[os.FileMode]os.FileMode{0o700: 0o711, 0o755: 0o755, 0o710: 0o711} {
		err := os.Chmod(dir, before)
		if err == nil {
			err = control.LetThrough(dir)
		}
		if info, statErr := os.Stat(dir); err != nil || statErr != nil || info.Mode().Perm() != after {
			t.Errorf("of %v became %v, want %v (%v)", before, info.Mode(), after, err)
		}
	}
}
