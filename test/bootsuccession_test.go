package test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"relevo/internal/control"
)

// startBooting starts a master whose workers wait for letThemServe.
func startBooting(t *testing.T, behaviour string, flags ...string) *site {
	t.Helper()
	s := emptySite(t)
	s.release("2", behaviour)
	s.boot(flags...)
	return s
}

// boot starts the master and returns when all of its workers are starting.
func (s *site) boot(flags ...string) {
	s.t.Helper()
	flags = append([]string{"run", "--name", "site", "-l", "127.0.0.1:0", "-n", "2", "--canary", "0",
		"--watch-binary=false", "--ready-timeout", tooLong.String()}, flags...)
	s.run(append(flags, "--", "./app")...)
	s.await("a control socket", func() (ok bool) {
		var err error
		s.client, err = control.Connect(context.Background(), filepath.Join(s.dir, "run", "site.sock"))
		return err == nil
	})
	s.await("the workers to start", func() bool { return len(s.booting()) == 2 })
}

// booting returns the pids of the workers that start, or none if something serves.
func (s *site) booting() (pids []int) {
	s.t.Helper()
	status := s.status()
	for _, w := range status.Workers {
		if status.State == "booting" && w.State == "starting" && w.PID != 0 {
			pids = append(pids, w.PID)
		}
	}
	slices.Sort(pids)
	return pids
}

// letThemServe lets the workers get ready.
func (s *site) letThemServe() {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "go"), nil, 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// TestSuccessionWhileBooting: a master is replaced while its first workers get ready. The next
// master finishes the start, with the result that the first one would have had.
func TestSuccessionWhileBooting(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for _, how := range []string{"tableflip", "exec"} {
		t.Run(how, func(t *testing.T) {
			replaceWhileBooting(t, how)
		})
	}
}

func replaceWhileBooting(t *testing.T, how string) {
	t.Run("serves", func(t *testing.T) {
		s := startBooting(t, "waits", "--upgrade", how)
		before := s.booting()
		s.upgrade()
		s.upgrade()
		if now := s.booting(); !slices.Equal(now, before) {
			t.Errorf("%v start, before: %v", now, before)
		}
		s.letThemServe()
		if now := s.settled(2); !slices.Equal(now, before) {
			t.Errorf("%v serve, before: %v", now, before)
		}
		s.await("the verdict", func() bool {
			_, said := s.relevo("releases", "site")
			return strings.Contains(said, " good")
		})
		if n := strings.Count(s.log.String(), "msg=serving"); n != 1 {
			t.Errorf("the start is reported %d times", n)
		}
		s.stop()
	})
	t.Run("fails", func(t *testing.T) {
		s := startBooting(t, "waits-and-crashes", "--upgrade", how)
		s.upgrade()
		s.letThemServe()
		s.await("the reason", func() bool {
			log := s.log.String()
			return strings.Contains(log, "cannot start: no worker got ready: exit status 3") &&
				strings.Contains(log, "panic: the file says nothing")
		})
		if <-s.ended; how == "exec" && s.master.ProcessState.ExitCode() != 1 {
			t.Errorf("exit code %d", s.master.ProcessState.ExitCode())
		}
	})
	t.Run("falls back", func(t *testing.T) {
		s := newSite(t, "-n", "2", "--canary", "0", "--watch-binary=false")
		s.settled(2)
		s.stop()
		s.release("2", "waits-and-crashes")
		s.boot("--upgrade", how)
		s.upgrade()
		s.letThemServe()
		s.await("the last good release", func() bool {
			status, err := s.client.Status(context.Background()) // there is no status between two starts
			return err == nil && status.State == "running"
		})
		body, err := fetch(s.status().Listeners[0].Address, "/")
		if err != nil || !strings.HasPrefix(body, "version 1 ") {
			t.Errorf("serves %q, %v", body, err)
		}
		s.upgrade() // requests work in this state, too
		s.stop()
	})
	t.Run("is reloaded and stopped", func(t *testing.T) {
		s := startBooting(t, "waits", "--upgrade", how)
		s.upgrade()
		s.release("3", "serve")
		syscall.Kill(s.status().PID, syscall.SIGHUP)
		s.await("the reload", func() bool { return strings.Contains(s.log.String(), "roll asked for") })
		s.letThemServe()
		s.await("the roll", func() bool { status := s.status(); return status.Generation == 2 && status.State == "running" })
		s.stop()
		os.Remove(filepath.Join(s.dir, "go"))
		s.release("2", "waits")
		s.boot("--upgrade", how)
		s.upgrade()
		s.terminate()
	})
}

// TestWatchSelfWhileBooting: relevo is replaced when its own file changes, even during the start.
func TestWatchSelfWhileBooting(t *testing.T) {
	t.Parallel()
	s := startBooting(t, "waits", "--watch-self")
	master := s.status().PID
	s.renew()
	s.await("another master", func() bool { return s.status().PID != master })
	s.letThemServe()
	s.settled(2)
	s.stop()
}
