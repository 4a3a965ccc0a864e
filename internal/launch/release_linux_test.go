package launch

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"relevo/internal/procfs"
	"relevo/pool"
)

// The program of these tests is a small one with a mark behind its end, which shows which bytes a
// worker runs.

func program(t *testing.T, mark string) []byte {
	return append(append([]byte(nil), sleepBytes(t)...), mark...)
}

// release replaces a program as releases do, by rename.
func putRelease(t *testing.T, path, mark string) {
	t.Helper()
	temp := path + ".new"
	if err := os.WriteFile(temp, program(t, mark), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temp, path); err != nil {
		t.Fatal(err)
	}
}

// running returns the path of the file that a worker runs, and its mark.
func (w *worker) running() (path, mark string) {
	w.t.Helper()
	expect[pool.Online](w)
	exe := fmt.Sprintf("/proc/%d/exe", w.PID())
	path, err := os.Readlink(exe)
	if err != nil {
		w.t.Fatal(err)
	}
	data, err := os.ReadFile(exe)
	if err != nil {
		w.t.Fatal(err)
	}
	return path, strings.TrimPrefix(string(data), string(sleepBytes(w.t)))
}

// shelf is a launcher that keeps copies, and the path of a program.
type shelf struct {
	*rig
	snapshots, program string
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	dir := t.TempDir()
	snapshots := filepath.Join(dir, "state", "releases")
	s := &shelf{rig: newRigOf(t, Options{SnapshotDir: snapshots}), snapshots: snapshots,
		program: filepath.Join(dir, "bin", "sleep")}
	if err := os.Mkdir(filepath.Dir(s.program), 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *shelf) command() Command { return Command{App: "app", Args: []string{s.program, "60"}} }

// copies lists the copied programs by their paths below the shelf.
func (s *shelf) copies() (all []string) {
	s.t.Helper()
	paths, err := filepath.Glob(filepath.Join(s.snapshots, "*", "*"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, path := range paths {
		if name, _ := filepath.Rel(s.snapshots, path); filepath.Base(name) != "release.json" {
			all = append(all, name)
		}
	}
	return all
}

func (s *shelf) wantRuns(release *Release, path, mark string) {
	s.t.Helper()
	w := s.startOf(release, pool.Order{ID: "1"})
	gotPath, gotMark := w.running()
	if gotPath != path || gotMark != mark {
		s.t.Errorf("the worker runs %q from %s, want %q from %s", gotMark, gotPath, mark, path)
	}
	w.end()
}

// copyOf returns the path that a program's copy must have.
func (s *shelf) copyOf(mark string) string {
	sum := sha256.Sum256(program(s.t, mark))
	return filepath.Join(s.snapshots, hex.EncodeToString(sum[:]), "sleep")
}

// TestRespawnRunsOldBytes: every worker of a generation runs the bytes with which the generation
// began; from the original path as long as that has them.
func TestRespawnRunsOldBytes(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	putRelease(t, s.program, "v1")
	v1 := s.prepare(s.command())
	sum := sha256.Sum256(program(t, "v1"))
	if info := v1.Info(); info.Path != s.program || info.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("the release is %+v", info)
	}
	s.wantRuns(v1, s.program, "v1")

	putRelease(t, s.program, "v2")
	s.wantRuns(v1, s.copyOf("v1"), "v1")
	v2 := s.prepare(s.command())
	s.wantRuns(v2, s.program, "v2")
	s.wantRuns(v1, s.copyOf("v1"), "v1")

	if err := os.Remove(s.program); err != nil {
		t.Fatal(err)
	}
	s.wantRuns(v2, s.copyOf("v2"), "v2")

	putRelease(t, s.program, "v1") // the same bytes in another file
	s.wantRuns(v1, s.copyOf("v1"), "v1")
	if copied, err := os.Stat(s.copyOf("v1")); err != nil || copied.Mode().Perm() != 0o555 {
		t.Errorf("the copy is %v, %v", copied, err)
	}
}

// TestIdentity: a change of the file but not of its bytes may make a worker run the copy. A change
// of the bytes is always seen.
func TestIdentity(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(path string) error{
		"overwritten in place, old times": func(path string) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			file, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer file.Close()
			if _, err := file.WriteAt([]byte("vX"), info.Size()-2); err != nil {
				return err
			}
			return os.Chtimes(path, info.ModTime(), info.ModTime())
		},
		"another file, old times": func(path string) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			data[len(data)-1] = 'X'
			if err := os.WriteFile(path+".new", data, 0o755); err != nil {
				return err
			}
			if err := os.Chtimes(path+".new", info.ModTime(), info.ModTime()); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
		"a link that moved": func(path string) error {
			real := path + ".real"
			if err := os.WriteFile(real, append(bytes.Clone(sleepBytes(t)), "vX"...), 0o755); err != nil {
				return err
			}
			os.Remove(path)
			return os.Symlink(real, path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			putRelease(t, s.program, "v1")
			release := s.prepare(s.command())
			awaitClock(t, s.program)
			if err := change(s.program); err != nil {
				t.Fatal(err)
			}
			s.wantRuns(release, s.copyOf("v1"), "v1")
		})
	}
}

// awaitClock waits until the clock of the file system, which may tick only every 10 ms, can tell a
// change from now on from the last change of the file.
func awaitClock(t *testing.T, path string) {
	t.Helper()
	changed := func(path string) time.Time {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return time.Unix(info.Sys().(*syscall.Stat_t).Ctim.Unix())
	}
	was := changed(path)
	probe := path + ".probe"
	await(t, "the clock to tick", func() bool {
		os.Remove(probe)
		if err := os.WriteFile(probe, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return changed(probe).After(was)
	})
}

// TestCopiesAreShared: all releases of the same bytes have one copy. With the last such release it
// becomes one of the kept copies, of which there is one here.
func TestCopiesAreShared(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.Store().SetKeep(1)
	putRelease(t, s.program, "v1")
	prepare := func() *Release {
		release, err := s.Prepare(s.command())
		if err != nil {
			t.Fatal(err)
		}
		return release
	}
	want := func(when string, n int) {
		t.Helper()
		if got := s.copies(); len(got) != n {
			t.Errorf("%s there are the copies %q, want %d", when, got, n)
		}
	}
	first, second := prepare(), prepare()
	want("with two releases of one file", 1)
	putRelease(t, s.program, "v2")
	third := prepare()
	want("with a third", 2)
	first.Close()
	want("with one of the two gone", 2)
	s.wantRuns(second, s.copyOf("v1"), "v1")
	second.Close()
	want("with both gone", 2)
	third.Close()
	want("at last", 1)
	if left, err := os.ReadDir(s.snapshots); err != nil || len(left) != 1 {
		t.Errorf("%v, %v are left", left, err)
	}
}

// TestBusyFile: while a program is still open for writing, the kernel refuses to run it (ETXTBSY);
// the shim waits for a moment.
func TestBusyFile(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	putRelease(t, s.program, "v1")
	c := s.command()
	c.Dir = t.TempDir()
	release := s.prepare(c)
	hold := func() *os.File {
		writer, err := os.OpenFile(s.program, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		return writer
	}

	// On a busy machine the moment may be too long; one success is enough.
	for began := time.Now(); ; {
		writer := hold()
		letGo := make(chan struct{})
		go func() {
			defer close(letGo)
			defer writer.Close()
			awaitShim(t, c.Dir)
		}()
		w := s.startOf(release, pool.Order{ID: "1"})
		<-letGo
		if _, online := w.next().(pool.Online); online {
			w.end()
			break
		}
		if w.end(); time.Since(began) > tooLong {
			t.Fatalf("the file was closed after a moment, but the worker ended with %v", w.exited.Status)
		}
	}

	writer := hold()
	defer writer.Close()
	w := s.startOf(release, pool.Order{ID: "2"})
	exited := w.exit()
	wantError(t, exited.Status.Error, "cannot run "+s.program+": text file busy")
	wantError(t, exited.Hint, "open for writing", "when the copy is finished")
}

// awaitShim waits until the kernel has refused for the first time to run the program of a shim. The
// shim is then in its working directory, and all its threads sleep: between entering the directory
// and the exec it does not wait for anything else.
func awaitShim(t *testing.T, dir string) {
	t.Helper()
	await(t, "the shim", func() bool {
		tasks, _ := filepath.Glob("/proc/self/task/*/children")
		for _, task := range tasks {
			children, _ := os.ReadFile(task)
			for _, pid := range strings.Fields(string(children)) {
				if there, _ := os.Readlink("/proc/" + pid + "/cwd"); there == dir && sleeps(pid) {
					return true
				}
			}
		}
		return false
	})
}

// sleeps says whether no thread of a process runs or waits for a processor.
func sleeps(pid string) bool {
	threads := procfs.Process("/proc/" + pid).Threads()
	return len(threads) > 0 && !slices.ContainsFunc(threads, func(thread procfs.Process) bool {
		stat, err := thread.Stat()
		return err != nil || stat.State() != 'S'
	})
}

// TestUnreadableProgram: execute permission is enough to run a program.
func TestUnreadableProgram(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	putRelease(t, s.program, "v1")
	release := s.prepare(s.command())
	release.file.Close() // as if it could not have been opened
	release.file = nil
	putRelease(t, s.program, "v2")
	s.wantRuns(release, s.program, "v2")
}

func TestVersionOfGoPrograms(t *testing.T) {
	t.Parallel()
	release := newRig(t).prepare(Command{App: "app", Args: []string{self()}})
	if version := release.Info().Version; strings.Contains(version, "devel") {
		t.Errorf("the version of the test binary is %q", version)
	}
}

// TestConcurrentReleases: copies are counted right, in whatever order releases come and go.
func TestConcurrentReleases(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	putRelease(t, s.program, "v1")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10 {
				release, err := s.Prepare(s.command())
				if err != nil {
					t.Error(err)
					return
				}
				if release.copied == nil {
					t.Errorf("no copy was made: %s", s.log)
				} else if _, err := os.Stat(release.copied.Path()); err != nil {
					t.Errorf("a release is open, and its copy is gone: %v", err)
				}
				release.Close()
			}
		})
	}
	all.Wait()
	if got := s.copies(); len(got) != 0 { // the shelf keeps no copies
		t.Errorf("the copies %q are left", got)
	}
}

// TestLinkedMeanwhile: a new link to a program changes its times, but not its bytes.
func TestLinkedMeanwhile(t *testing.T) {
	s := newShelf(t)
	putRelease(t, s.program, strings.Repeat("1", 32<<20))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for link := s.program + ".link"; ; {
			select {
			case <-stop:
				return
			default:
				os.Link(s.program, link)
				os.Remove(link)
			}
		}
	}()
	release, err := s.Prepare(s.command())
	close(stop)
	<-stopped
	if err != nil {
		t.Fatal(err)
	}
	release.Close()
}
