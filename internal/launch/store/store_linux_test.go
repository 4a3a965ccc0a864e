package store

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/phrase"
	"relevo/internal/testreq"
)

// holderEnv makes the test binary another master: it adds the file to the store, says so, and holds
// the copy until its stdin ends.
const holderEnv = "STORE_TEST_HOLDS"

// umaskEnv is the octal umask of the other master.
const umaskEnv = "STORE_TEST_UMASK"

func TestMain(m *testing.M) {
	if what := os.Getenv(holderEnv); what != "" {
		dir, program, _ := strings.Cut(what, "\n")
		holdAsOther(dir, program)
		return
	}
	os.Exit(m.Run())
}

func holdAsOther(dir, program string) {
	if mask, err := strconv.ParseInt(os.Getenv(umaskEnv), 8, 0); err == nil {
		unix.Umask(int(mask))
	}
	s, err := Open(dir, 0, slog.New(slog.DiscardHandler))
	if err != nil {
		panic(err)
	}
	file, err := os.Open(program)
	if err != nil {
		panic(err)
	}
	c, err := s.Add(file, filepath.Base(program), About{})
	if err != nil {
		panic(err)
	}
	fmt.Println(c.SHA256())
	bufio.NewReader(os.Stdin).ReadByte()
}

// bench is a store in a directory of its own, and a place for programs.
type bench struct {
	*Store
	t   *testing.T
	log *strings.Builder
}

func newBench(t *testing.T, keep int) *bench {
	t.Helper()
	return benchIn(t, filepath.Join(t.TempDir(), "state", "releases"), keep)
}

func benchIn(t *testing.T, dir string, keep int) *bench {
	t.Helper()
	b := &bench{t: t, log: new(strings.Builder)}
	s, err := Open(dir, keep, slog.New(slog.NewTextHandler(b.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	b.Store = s
	return b
}

// program writes an executable and opens it.
func (b *bench) program(text string) *os.File {
	b.t.Helper()
	dir := b.t.TempDir()
	path := filepath.Join(dir, "server")
	// TempDir is closed to other users, and then a copy would have to be, too.
	if err := errors.Join(os.WriteFile(path, []byte(text), 0o755), os.Chmod(filepath.Dir(dir), 0o755),
		os.Chmod(dir, 0o755)); err != nil {
		b.t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { file.Close() })
	return file
}

func (b *bench) add(text string) *Copy {
	b.t.Helper()
	c, err := b.Add(b.program(text), "server", About{Version: text})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	return c
}

func (b *bench) collect() {
	b.t.Helper()
	if err := b.Collect(); err != nil {
		b.t.Fatal(err)
	}
}

// kept lists the versions of which a copy exists, the last used first.
func (b *bench) kept() (versions []string) {
	for _, r := range b.List() {
		if r.Kept {
			versions = append(versions, r.Version)
		}
	}
	return versions
}

func (b *bench) wantKept(when string, want ...string) {
	b.t.Helper()
	if got := b.kept(); !slices.Equal(got, want) {
		b.t.Errorf("%s: %q are kept, want %q", when, got, want)
	}
}

func says(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

func TestAddAndGet(t *testing.T) {
	t.Parallel()
	b := newBench(t, 3)
	c := b.add("v1")
	if data, err := os.ReadFile(c.Path()); err != nil || string(data) != "v1" || c.Size() != 2 {
		t.Errorf("the copy contains %q (%d), %v", data, c.Size(), err)
	}
	if want := filepath.Join(b.Dir(), c.SHA256(), "server"); c.Path() != want || len(c.SHA256()) != 64 {
		t.Errorf("the copy is at %s, want %s", c.Path(), want)
	}
	for path, want := range map[string]fs.FileMode{
		b.Dir(): 0o711, filepath.Dir(c.Path()): 0o711, c.Path(): 0o555,
		filepath.Join(filepath.Dir(c.Path()), recordName): 0o600,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s is %v, want %v", path, info.Mode(), want)
		}
	}
	c.Close()
	later := benchIn(t, b.Dir(), 3) // the next master
	again, err := later.Get(c.SHA256())
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	r := later.List()[0]
	if r.Version != "v1" || r.Name != "server" || r.Size != 2 || !r.Kept || !r.LastUsed.After(r.FirstUsed) {
		t.Errorf("the record is %+v", r)
	}
	_, err = later.Get(strings.Repeat("0", 64))
	says(t, err, "cannot use release 000000000000: no copy of it is kept", phrase.Hash(c.SHA256())+" (server, v1)")
}

func TestFind(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30)
	_, err := b.Find("ab")
	says(t, err, `cannot find release "ab"`, "there is none")
	first := map[byte]string{}
	twice := ""
	for i := 0; twice == ""; i++ {
		c := b.add(fmt.Sprint("v", i))
		if first[c.SHA256()[0]] != "" {
			twice = c.SHA256()
		}
		first[c.SHA256()[0]] = c.SHA256()
	}
	_, err = b.Find(twice[:1])
	says(t, err, "cannot tell which release", phrase.Hash(twice), "give more")
	if r, err := b.Find(strings.ToUpper(twice[:20])); err != nil || r.SHA256 != twice {
		t.Errorf("found %v, %v", r, err)
	}
	_, err = b.Find("zz")
	says(t, err, `cannot find release "zz"`, phrase.Hash(twice))
	if _, err := b.Find(""); err == nil {
		t.Error("Find without a hash found something")
	}
}

// TestTampered: a copy that was changed is never run; Get removes it.
func TestTampered(t *testing.T) {
	t.Parallel()
	b := newBench(t, 3)
	c := b.add("v1")
	info, err := os.Stat(c.Path())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(c.Path(), 0o755), os.WriteFile(c.Path(), []byte("vX"), 0),
		os.Chtimes(c.Path(), info.ModTime(), info.ModTime())); err != nil {
		t.Fatal(err)
	}
	says(t, c.Verify(), c.Path()+" was changed (sha256 ", "expected "+phrase.Hash(c.SHA256()))
	_, err = b.Get(c.SHA256())
	says(t, err, c.Path()+" was changed", "has been removed")
	if changed := new(ChangedError); !errors.As(err, &changed) || changed.Want != c.SHA256() {
		t.Errorf("%v is no ChangedError with this hash", err)
	}
	b.wantKept("after it was found out")
	if again := b.add("v1"); again.Verify() != nil {
		t.Error("the program cannot be copied again")
	}
	b.wantKept("copied again", "v1")
}

// TestYoungSeal: a write within the same tick of the file system's clock does not change the
// identity, so the bytes are read.
func TestYoungSeal(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	for range 20 {
		path := b.program("v1").Name()
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		seal, err := SealOf(file)
		if err != nil {
			t.Fatal(err)
		}
		file.WriteAt([]byte("v2"), 0)
		seal.noted, _ = IdentityOf(file) // as on a clock that did not tick
		if seal.Verify(file) == nil {
			t.Error("a write was not seen")
		}
		file.Close()
	}
}

func TestNoPlace(t *testing.T) {
	t.Parallel()
	mount := func(b *bench, flags uintptr, data string) {
		t.Helper()
		if err := os.MkdirAll(b.Dir(), 0o711); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("relevo-test", b.Dir(), "tmpfs", flags, data); err != nil {
			testreq.Missing(t, "this test mounts a tmpfs: "+err.Error())
		}
		t.Cleanup(func() { unix.Unmount(b.Dir(), unix.MNT_DETACH) })
	}
	full := newBench(t, 3)
	mount(full, 0, "size=16k,mode=711")
	small := full.add("v1")
	large := full.program(strings.Repeat("x", 1<<17))
	_, err := full.Add(large, "server", About{})
	if e := new(FullError); !errors.As(err, &e) || e.Free < 0 || e.Quota || !errors.Is(err, unix.ENOSPC) {
		t.Errorf("on a full disk: %#v", err)
	}
	says(t, err, "the disk of "+full.Dir()+" is full (")
	if left, err := os.ReadDir(full.Dir()); err != nil || len(left) != 1 {
		t.Errorf("%v are left, %v", left, err)
	}
	if err := os.WriteFile(filepath.Join(full.Dir(), "filler"), make([]byte, 1<<17), 0o600); err == nil {
		t.Error("the disk is not full")
	}
	if c, err := full.Add(full.program("v1"), "server", About{}); err != nil {
		t.Errorf("an existing copy needs no room: %v", err)
	} else {
		c.Close()
	}
	small.Close()

	readOnly := newBench(t, 3)
	mount(readOnly, unix.MS_RDONLY, "size=16k,mode=711")
	noexec := newBench(t, 3)
	mount(noexec, unix.MS_NOEXEC, "size=64k,mode=711")
	inTheWay := newBench(t, 3)
	os.MkdirAll(filepath.Dir(inTheWay.Dir()), 0o700)
	os.WriteFile(inTheWay.Dir(), nil, 0o600)
	for part, b := range map[string]*bench{"read-only file system": readOnly, "noexec": noexec,
		"not a directory": inTheWay} {
		_, err := b.Add(b.program("v1"), "server", About{})
		if e := new(WriteError); !errors.As(err, &e) {
			t.Errorf("%s: %#v", part, err)
		}
		says(t, err, b.Dir(), part)
	}
}

// TestReadOnlyLater: a rollback works although the store is read-only now.
func TestReadOnlyLater(t *testing.T) {
	t.Parallel()
	b := newBench(t, 3)
	c := b.add("v1")
	c.Close()
	if err := unix.Mount(b.Dir(), b.Dir(), "", unix.MS_BIND, ""); err != nil {
		testreq.Missing(t, "this test mounts: "+err.Error())
	}
	t.Cleanup(func() { unix.Unmount(b.Dir(), unix.MNT_DETACH) })
	if err := unix.Mount("", b.Dir(), "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	again, err := b.Get(c.SHA256())
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// TestConcurrent: a held copy exists, whatever other processes add, release and collect.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	a := newBench(t, 0)
	other := benchIn(t, a.Dir(), 0)
	var files []*os.File
	for i := range 3 {
		files = append(files, a.program(fmt.Sprint("v", i)))
	}
	var all sync.WaitGroup
	for i := range 6 {
		s := []*bench{a, other}[i%2]
		all.Go(func() {
			for n := range 15 {
				c, err := s.Add(files[(i+n)%3], "server", About{})
				if err != nil {
					t.Error(err)
					return
				}
				if err := c.Verify(); err != nil {
					t.Errorf("a held copy: %v", err)
				}
				c.Close()
				if err := s.Collect(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	a.collect()
	a.wantKept("at last")
	if left, err := os.ReadDir(a.Dir()); err != nil || len(left) > 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}
