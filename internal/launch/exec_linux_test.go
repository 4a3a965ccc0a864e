package launch

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"relevo/internal/config"
	"relevo/internal/testleft"
	"relevo/internal/testreq"
	"relevo/pool"
)

// bothWays runs a test with programs run by their open file and by their path.
func bothWays(t *testing.T, test func(t *testing.T, s *shelf)) {
	t.Helper()
	for name, byDescriptor := range map[string]bool{"by file": true, "by path": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if byDescriptor && !execsByDescriptor() {
				testreq.Missing(t, "this needs Linux 6.14")
			}
			s := newShelf(t)
			s.byDescriptor = byDescriptor
			test(t, s)
		})
	}
}

var tellsProgram = behaves("tell-program", func() {
	exe, err := os.Executable()
	comm, _ := os.ReadFile("/proc/self/comm")
	fmt.Println(exe, err, os.Args[0], strings.TrimSpace(string(comm)))
	for _, file := range testleft.OpenFiles() {
		if strings.Contains(file, exe) {
			fmt.Println("open:", file)
		}
	}
})

// TestNothingShowsTheDescriptor: a program sees no difference between being run
// by its path and by its open file.
func TestNothingShowsTheDescriptor(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *shelf) {
		data, err := os.ReadFile(self())
		if err != nil {
			t.Fatal(err)
		}
		executable(t, s.program, string(data))
		c := tellsProgram.command()
		c.Args[0] = s.program
		w := s.start(c)
		exited := w.exit()
		want := fmt.Sprintf("%s <nil> %s sleep", s.program, s.program)
		if got := strings.Join(w.Tail(), "\n"); got != want || exited.Status != (pool.ExitStatus{}) {
			t.Errorf("it says %q (%v), want %q", got, exited, want)
		}
	})
}

// whileStarting starts a worker whose executable is open for writing,
// and does something to it while the shim is being refused: after the
// master's look at the file, before the exec.
func (s *shelf) whileStarting(release *Release, do func(writer *os.File)) (*worker, error) {
	s.t.Helper()
	writer, err := os.OpenFile(s.program, os.O_WRONLY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer writer.Close()
		awaitShim(s.t, release.dir)
		do(writer)
	}()
	defer func() { <-done }()
	w := s.newWorker()
	process, err := release.Start(pool.Order{ID: "1"}, w.sink)
	if err != nil {
		return nil, err
	}
	w.Process = process
	s.t.Cleanup(w.end)
	return w, nil
}

// ownDir is the command in a directory that no other test's shim enters.
func (s *shelf) ownDir() Command {
	c := s.command()
	c.Dir = s.t.TempDir()
	return c
}

// TestChangedWhileStarting: if a file changes between the master's look at it and the exec,
// no worker runs other bytes, and the first try is not reported.
func TestChangedWhileStarting(t *testing.T) {
	t.Parallel()
	changes := map[string]func(t *testing.T, s *shelf, writer *os.File){
		"in place": func(t *testing.T, s *shelf, writer *os.File) {
			writer.WriteAt([]byte("v2"), int64(len(sleepBytes(t))))
		},
		"truncated": func(t *testing.T, s *shelf, writer *os.File) { writer.Truncate(100) },
		"replaced":  func(t *testing.T, s *shelf, _ *os.File) { putRelease(t, s.program, "v2") },
		"removed":   func(t *testing.T, s *shelf, _ *os.File) { os.Remove(s.program) },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bothWays(t, func(t *testing.T, s *shelf) {
				putRelease(t, s.program, "v1")
				release := s.prepare(s.ownDir())
				w, err := s.whileStarting(release, func(writer *os.File) { change(t, s, writer) })
				if err != nil {
					t.Fatal(err)
				}
				if path, mark := w.running(); mark != "v1" {
					t.Errorf("the worker runs %q from %s", mark, path)
				}
				if len(w.seen) != 1 || len(s.byPID) != 1 {
					t.Errorf("it reported %v; registered are %d", w.seen, len(s.byPID))
				}
			})
		})
	}
}

// TestExecsOn: a program that execs another at once is not taken for one that was
// replaced.
func TestExecsOn(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *shelf) {
		release := s.prepare(Command{App: "app", Args: []string{"env", "A=1", "sleep", "60"}})
		for range 10 {
			w := s.startOf(release, pool.Order{ID: "1"})
			expect[pool.Online](w)
			w.end()
		}
		if log := s.log.String(); log != "" {
			t.Errorf("it warns: %s", log)
		}
	})
}

// TestExecFromPath: nothing but the path is run.
func TestExecFromPath(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	putRelease(t, s.program, "v1")
	c := s.ownDir()
	c.ExecFrom = config.ExecPath
	release := s.prepare(c)
	s.wantRuns(release, s.program, "v1")
	_, err := s.whileStarting(release, func(writer *os.File) {
		writer.WriteAt([]byte("v2"), int64(len(sleepBytes(t))))
	})
	if err == nil {
		t.Fatal("a worker runs other bytes")
	}
	wantError(t, err.Error(), "cannot start a worker: "+s.program+" no longer holds the bytes of release "+
		release.Info().SHA256[:12])
	if _, err := s.PrepareStored(c, release.Info().SHA256); err == nil {
		t.Error("a release is prepared whose path holds other bytes")
	}
}

// TestExecFromSnapshot: nothing but the copy is run.
func TestExecFromSnapshot(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *shelf) {
		putRelease(t, s.program, "v1")
		c := s.command()
		c.ExecFrom = config.ExecSnapshot
		release := s.prepare(c)
		s.wantRuns(release, s.copyOf("v1"), "v1")
		_, err := newRig(t).Prepare(c)
		if err == nil {
			t.Fatal("a release without a copy")
		}
		wantError(t, err.Error(), "cannot run "+s.program+" from a copy")
	})
}

// TestChangedCopy: a copy that was written to is not run. It is made again
// while the right bytes are still to be had.
func TestChangedCopy(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *shelf) {
		putRelease(t, s.program, "v1")
		release := s.prepare(s.command())
		putRelease(t, s.program, "v2")
		spoil := func(path string) {
			t.Helper()
			if err := os.Chmod(path, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, program(t, "vX"), 0); err != nil {
				t.Fatal(err)
			}
		}
		spoil(s.copyOf("v1"))
		s.wantRuns(release, s.copyOf("v1"), "v1")
		wantError(t, s.log.String(), s.copyOf("v1")+" was changed (sha256 ")
		if err := os.RemoveAll(s.snapshots); err != nil {
			t.Fatal(err)
		}
		s.wantRuns(release, s.copyOf("v1"), "v1")

		v2 := s.prepare(s.command())
		writer, err := os.OpenFile(s.program, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		writer.WriteAt([]byte("vY"), int64(len(sleepBytes(t))))
		writer.Close()
		s.wantRuns(v2, s.copyOf("v2"), "v2")
		spoil(s.copyOf("v2"))
		_, err = v2.Start(pool.Order{ID: "1"}, s.newWorker().sink)
		if err == nil {
			t.Fatal("a worker of other bytes was started")
		}
		wantError(t, err.Error(), "cannot start a worker of release "+v2.Info().SHA256[:12], "snapshot "+s.copyOf("v2")+
			" was changed", "reload")
	})
}

// TestReplacedAllTheTime: 200 workers are started while their executable is
// replaced in a loop: through a link, by rename and in place, in the second half
// the release's own file, too. Each tells which build it is.
func TestReplacedAllTheTime(t *testing.T) {
	t.Parallel()
	one, two := buildTold(t, "one"), buildTold(t, "two")
	bothWays(t, func(t *testing.T, s *shelf) {
		own := s.program + ".own"
		executable(t, own, string(one))
		link := func(to string) {
			os.Symlink(to, s.program+".link")
			os.Rename(s.program+".link", s.program)
		}
		link(own)
		release := s.prepare(Command{App: "app", Args: []string{s.program}})
		var started atomic.Int32
		stop := make(chan struct{})
		var replacing, starting sync.WaitGroup
		replacing.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				os.WriteFile(s.program+".new", two, 0o755)
				os.Rename(s.program+".new", s.program)
				os.WriteFile(s.program, one, 0o755) // in place
				os.WriteFile(s.program, two, 0o755)
				link(own)
				if started.Load() > 100 {
					os.WriteFile(own, two, 0o755) // once it is not being run
				}
			}
		})
		for range 4 {
			starting.Go(func() {
				for range 50 {
					w := s.newWorker()
					process, err := release.Start(pool.Order{ID: "1"}, w.sink)
					if err != nil {
						t.Error(err)
						return
					}
					w.Process = process
					await(t, "its word", func() bool { return len(w.Tail()) > 0 || w.over.Load() })
					w.end()
					if got := strings.Join(w.Tail(), ""); got != "one" {
						t.Errorf("a worker says %q and ends: %v", got, w.exited)
					}
					started.Add(1)
				}
			})
		}
		starting.Wait()
		close(stop)
		replacing.Wait()
	})
}
