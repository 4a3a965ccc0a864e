package store

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/safefile"
	"relevo/internal/testreq"
)

// rewrite changes one key of a record on disk.
func rewrite(t *testing.T, c *Copy, key string, value any) {
	t.Helper()
	path := filepath.Join(filepath.Dir(c.Path()), recordName)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	record := map[string]any{}
	if err := json.Unmarshal(text, &record); err != nil {
		t.Fatal(err)
	}
	record[key] = value
	if text, err = json.Marshal(record); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRecordIsItsPlaces: a record that does not belong to its entry is not used, neither for the
// file that it names nor for the bytes.
func TestRecordIsItsPlaces(t *testing.T) {
	t.Parallel()
	b := newBench(t, 9)
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("other bytes"), 0o600); err != nil {
		t.Fatal(err)
	}
	named := b.add("named")
	out, err := filepath.Rel(filepath.Dir(named.Path()), victim)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{out, victim, "..", ".", "/", recordName, ".hidden"} {
		rewrite(t, named, "name", name)
		if r, err := b.read(named.SHA256()); err != nil || r.Name != "server" {
			t.Errorf("name %q: the record is %+v, %v", name, r, err)
		}
		if again, err := b.Get(named.SHA256()); err != nil {
			t.Errorf("name %q: %v", name, err)
		} else {
			again.Close()
		}
	}
	if _, err := os.Stat(victim); err != nil {
		t.Errorf("a file elsewhere: %v", err)
	}

	evil := b.add("evil bytes")
	for key, value := range map[string]any{"bytes": evil.SHA256(), "places": []string{"/elsewhere"}} {
		c := b.add("of " + key)
		rewrite(t, c, key, value)
		if r, err := b.read(c.SHA256()); err != nil || r.sum() != c.SHA256() || len(r.Places) > 0 {
			t.Errorf("%s: the record is %+v, %v", key, r, err)
		}
	}
	c := b.add("v1")
	rewrite(t, c, "bytes", evil.SHA256())
	if err := errors.Join(os.Remove(c.Path()), os.WriteFile(c.Path(), []byte("evil bytes"), 0o755)); err != nil {
		t.Fatal(err)
	}
	_, err = b.Get(c.SHA256())
	says(t, err, "was changed", "has been removed")
}

// TestRecordsOfOtherKinds: a pipe, a link or an endless file in place of a record is not waited for,
// not followed, and not read without a limit.
func TestRecordsOfOtherKinds(t *testing.T) {
	t.Parallel()
	elsewhere := filepath.Join(t.TempDir(), "record")
	if err := os.WriteFile(elsewhere, []byte(`{"version": "believed"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, put := range map[string]func(path string) error{
		"pipe":         func(path string) error { return unix.Mkfifo(path, 0o600) },
		"link":         func(path string) error { return os.Symlink(elsewhere, path) },
		"endless link": func(path string) error { return os.Symlink("/dev/zero", path) },
		"directory":    func(path string) error { return os.Mkdir(path, 0o700) },
		"writable": func(path string) error {
			return errors.Join(os.WriteFile(path, []byte(`{"version": "believed"}`), 0o600), os.Chmod(path, 0o666))
		},
		"huge": func(path string) error {
			return os.WriteFile(path, []byte(`{"version": "believed"`+strings.Repeat(" ", maxRecord)+"}"), 0o600)
		},
	} {
		t.Run(what, func(t *testing.T) {
			b := newBench(t, 9)
			c := b.add("v1")
			path := filepath.Join(filepath.Dir(c.Path()), recordName)
			if err := errors.Join(os.Remove(path), put(path)); err != nil {
				t.Fatal(err)
			}
			if all := b.List(); len(all) != 1 || all[0].Version != "" || !all[0].Kept {
				t.Errorf("the list is %+v", all)
			}
			again, err := b.Get(c.SHA256())
			if err != nil {
				t.Fatal(err)
			}
			again.Close()
		})
	}
}

// TestCopyIsNoLink: a link in place of a copy is not followed, wherever it leads.
func TestCopyIsNoLink(t *testing.T) {
	t.Parallel()
	b := newBench(t, 9)
	c := b.add("v1")
	same := b.program("v1")
	if err := errors.Join(os.Remove(c.Path()), os.Symlink(same.Name(), c.Path())); err != nil {
		t.Fatal(err)
	}
	says(t, c.Verify(), "symbolic link")
	if _, err := b.Get(c.SHA256()); err == nil {
		t.Error("the link was used as the copy")
	}
	again := b.add("v1")
	if info, err := os.Lstat(again.Path()); err != nil || !info.Mode().IsRegular() {
		t.Errorf("copied again: %v, %v", info, err)
	}
}

// TestStoreOfOthers: if another user can write to the store, nothing in it is used, and nothing is
// added.
func TestStoreOfOthers(t *testing.T) {
	t.Parallel()
	testreq.Root(t)
	for what, open := range map[string]func(dir string) error{
		"belongs to user 65534":      func(dir string) error { return os.Chown(filepath.Dir(dir), 65534, 0) },
		"it belongs to user 65534":   func(dir string) error { return os.Chown(dir, 65534, 0) },
		"every user can write to it": func(dir string) error { return os.Chmod(filepath.Dir(dir), 0o777) },
		"group 65534 can write to it": func(dir string) error {
			return errors.Join(os.Chown(dir, 0, 65534), os.Chmod(dir, 0o770))
		},
	} {
		t.Run(what, func(t *testing.T) {
			b := newBench(t, 9)
			c := b.add("v1")
			if err := b.Mark(c.SHA256(), Bad, "reason", ""); err != nil {
				t.Fatal(err)
			}
			if err := open(b.Dir()); err != nil {
				t.Fatal(err)
			}
			_, err := b.Add(b.program("v2"), "server", About{})
			says(t, err, what)
			says(t, b.Mark(c.SHA256(), Good, "", ""), what)
			if all := b.List(); len(all) > 0 {
				t.Errorf("the list is %+v", all)
			}
			if j := b.Verdict(c.SHA256()); j.Verdict != Unjudged {
				t.Errorf("the verdict is %+v", j)
			}
			if _, err := b.Get(c.SHA256()); err == nil {
				t.Error("its copy was used")
			}
		})
	}
}

// TestForeignLock: if another process never gives a lock up, there is an error that names the
// process, not an endless wait.
func TestForeignLock(t *testing.T) {
	t.Parallel()
	b := newBench(t, 9)
	c := b.add("v1")
	dir, err := os.Open(b.Dir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	err = b.Mark(c.SHA256(), Good, "", "")
	says(t, err, "holds a lock (flock) on "+b.Dir(), "pid ")
	if held := new(safefile.HeldError); !errors.As(err, &held) {
		t.Errorf("%#v is no HeldError", err)
	}
}

// TestStoreModes: neither the umask nor an earlier mode keeps workers of another user out of the
// store, or lets others open, and so lock, its directories.
func TestStoreModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "app", "releases")
	b := newBench(t, 1)
	// In a process of its own, because the umask is shared by all tests.
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), holderEnv+"="+dir+"\n"+b.program("v1").Name(), umaskEnv+"=077")
	if out, err := other.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for at := dir; filepath.Base(at) != "001"; at = filepath.Dir(at) {
		wantMode(t, at, storeMode)
	}
	entries, err := filepath.Glob(dir + "/*")
	if err != nil || len(entries) != 1 {
		t.Fatalf("entries: %v, %v", entries, err)
	}
	wantMode(t, entries[0], storeMode)
	wantMode(t, filepath.Join(entries[0], "server"), 0o555)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	benchIn(t, dir, 1).add("v2")
	wantMode(t, dir, storeMode)
}

func wantMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
		t.Errorf("%s is %v, want %v (%v)", path, info.Mode(), want, err)
	}
}
