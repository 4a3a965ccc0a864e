package safefile_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/safefile"
	"relevo/internal/testreq"
)

// envUmask makes the test binary a process with umask 077 that makes a directory.
const envUmask = "SAFEFILE_TEST_MKDIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(envUmask); dir != "" {
		unix.Umask(0o077)
		if err := safefile.MkdirAll(dir, 0o755, 0o711); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

func TestReadOtherKinds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe, socket, file, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "socket"), filepath.Join(dir, "file"),
		filepath.Join(dir, "link")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := errors.Join(unix.Mkfifo(pipe, 0o600), os.WriteFile(file, []byte("12345"), 0o600),
		os.Symlink(file, link)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{pipe: "a pipe", socket: "a socket", dir: "a directory",
		"/dev/zero": "a device"} {
		if _, err := safefile.Read(path, 10); !errors.Is(err, safefile.ErrNotRegular) ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	for _, path := range []string{file, link} {
		if data, err := safefile.Read(path, 5); err != nil || string(data) != "12345" {
			t.Errorf("%s: %q, %v", path, data, err)
		}
		var large *safefile.TooLargeError
		if _, err := safefile.Read(path, 4); !errors.As(err, &large) {
			t.Errorf("%s, 4 bytes: %v", path, err)
		}
	}
	if _, err := safefile.ReadOwn(link, 10); !errors.Is(err, safefile.ErrNotRegular) {
		t.Errorf("ReadOwn of a link: %v", err)
	}
	if data, err := safefile.ReadOwn(file, 10); err != nil || string(data) != "12345" {
		t.Errorf("ReadOwn: %q, %v", data, err)
	}
	if err := os.Chmod(file, 0o666); err != nil {
		t.Fatal(err)
	}
	var untrusted *safefile.UntrustedError
	if _, err := safefile.ReadOwn(file, 10); !errors.As(err, &untrusted) {
		t.Errorf("ReadOwn of what everybody can write to: %v", err)
	}
}

// TestMkdirAll: the modes are those that were asked for, whatever the umask.
func TestMkdirAll(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b", "c")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envUmask+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for path, want := range map[string]fs.FileMode{dir: 0o711, filepath.Dir(dir): 0o755,
		filepath.Dir(filepath.Dir(dir)): 0o755} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s is %v, want %v (%v)", path, info.Mode(), want, err)
		}
	}
}

// TestCheckDir: a directory is accepted if no other user can write to it, or put another one
// in its place.
func TestCheckDir(t *testing.T) {
	t.Parallel()
	testreq.Root(t)
	const other = 65533
	mode := func(path string, mode fs.FileMode) error { return os.Chmod(path, mode) }
	own := func(path string, uid, gid int) error { return os.Lchown(path, uid, gid) }
	for name, test := range map[string]struct {
		change  func(top string) error // top/mid/dir is the directory, top/link leads to mid
		via     string
		want    string
		foreign string // of CheckForeignDir, "" is no error
	}{
		"as made":      {change: func(string) error { return nil }},
		"by a link":    {change: func(string) error { return nil }, via: "link"},
		"not there":    {change: func(string) error { return nil }, via: "none"},
		"own group":    {change: func(top string) error { return mode(top+"/mid/dir", 0o775) }},
		"sticky above": {change: func(top string) error { return mode(top+"/mid", 0o777|fs.ModeSticky) }},
		"everybody's": {change: func(top string) error {
			return mode(top+"/mid/dir", 0o777)
		}, want: "every user can write to it", foreign: "every user"},
		"sticky everybody": {change: func(top string) error {
			return mode(top+"/mid/dir", 0o777|fs.ModeSticky)
		}, want: "every user", foreign: "every user"},
		"a group's": {change: func(top string) error {
			return errors.Join(own(top+"/mid/dir", 0, other), mode(top+"/mid/dir", 0o770))
		}, want: "group 65533", foreign: "group 65533"},
		"everybody's above": {change: func(top string) error {
			return mode(top+"/mid", 0o777)
		}, want: "/dir lies in ", foreign: "every user"},
		"another's above": {change: func(top string) error {
			return own(top+"/mid", other, 0)
		}, want: "belongs to user 65533", foreign: "belongs to user 65533"},
		"another's link": {change: func(top string) error {
			return own(top+"/link", other, 0)
		}, via: "link", want: "belongs to user 65533", foreign: "belongs to user 65533"},
		"behind the link": {change: func(top string) error {
			return mode(top+"/mid", 0o777)
		}, via: "link", want: "every user", foreign: "every user"},
		"another's": {change: func(top string) error {
			return own(top+"/mid/dir", other, 0)
		}, want: "it belongs to user 65533"},
		"another's, below its own": {
			change: func(top string) error {
				return errors.Join(own(top+"/mid", other, 0), own(top+"/mid/dir", other, 0))
			}, want: "it belongs to user 65533",
		},
		"another's, with its own group": {
			change: func(top string) error {
				return errors.Join(own(top+"/mid/dir", other, other), mode(top+"/mid/dir", 0o775))
			}, want: "it belongs to user 65533",
		},
		"a link itself": {
			change: func(top string) error { return errors.Join(os.Remove(top+"/mid/dir"), os.Symlink("/", top+"/mid/dir")) },
			want:   "it is not a directory", foreign: "it is not a directory",
		},
	} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			if err := errors.Join(os.MkdirAll(top+"/mid/dir", 0o755), os.Symlink("mid", top+"/link"),
				test.change(top)); err != nil {
				t.Fatal(err)
			}
			via := test.via
			if via == "" {
				via = "mid"
			}
			says(t, "CheckDir", safefile.CheckDir(top+"/"+via+"/dir"), test.want)
			_, err := safefile.CheckForeignDir(top + "/" + via + "/dir")
			says(t, "CheckForeignDir", err, test.foreign)
		})
	}
}

func says(t *testing.T, what string, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("%s: %v, want %q", what, err, want)
	}
}

// TestLock: a lock that another holds is waited for, and not forever.
func TestLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	held, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := safefile.Lock(held, unix.LOCK_EX, 0); err != nil {
		t.Fatal(err)
	}
	var refused *safefile.HeldError
	if err := safefile.Lock(other, unix.LOCK_EX, time.Millisecond); !errors.As(err, &refused) || refused.Path != path {
		t.Fatalf("while it is held: %v", err)
	}
	got := make(chan error)
	go func() { got <- safefile.Lock(other, unix.LOCK_EX, time.Hour) }()
	held.Close()
	if err := <-got; err != nil {
		t.Error(err)
	}
}
