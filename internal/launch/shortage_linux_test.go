package launch

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
	"relevo/internal/testreq"
	"relevo/pool"
)

// shorten lets this process have at most n files open, until the test ends or the returned function
// is called.
func shorten(t *testing.T, n int) (giveBack func()) {
	t.Helper()
	var before unix.Rlimit
	err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &before)
	if err == nil {
		err = unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(n), Max: before.Max}, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	giveBack = func() { unix.Prlimit(0, unix.RLIMIT_NOFILE, &before, nil) }
	t.Cleanup(giveBack)
	return giveBack
}

// lowestFree returns the number that the next file gets.
func lowestFree(t *testing.T) int {
	t.Helper()
	fd, err := unix.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	return fd
}

// TestShortOfFiles: if the master runs out of descriptors anywhere on the way to the exec, it is the
// master's failure, and the error says what to do. A file that the last try leaves open is found at
// the end of the tests.
func TestShortOfFiles(t *testing.T) {
	release := newRig(t, "web").prepare(shell("exec sleep 60"))
	failures := 0
	for more := 0; ; more++ {
		giveBack := shorten(t, lowestFree(t)+more)
		w := &worker{t: t, reports: make(chan pool.Report, 100)}
		process, err := release.Start(pool.Order{ID: "1"}, w.sink)
		giveBack()
		if err == nil {
			w.Process = process
			if online := awaitBegin(w); online {
				w.end()
				break
			}
			if w.exited.Unstarted == nil {
				t.Fatalf("with %d more files: %+v is taken for the program's failure", more, w.exited)
			}
			continue
		}
		var master *pool.MasterError
		if !errors.As(err, &master) {
			t.Fatalf("with %d more files: %v is not the master's failure", more, err)
		}
		if errors.Is(err, syscall.EMFILE) {
			failures++
			wantError(t, master.Hint, "--nofile=", "LimitNOFILE=")
		}
	}
	if failures < 5 {
		t.Errorf("only %d starts failed for want of files", failures)
	}
}

// awaitBegin waits until the program runs, or it is certain that it never will.
func awaitBegin(w *worker) (online bool) {
	for w.exited == nil {
		if _, online := w.next().(pool.Online); online {
			return true
		}
	}
	return false
}

// TestShortOfProcesses: the user of the workers may have no more processes. The kernel says so at
// the exec.
func TestShortOfProcesses(t *testing.T) {
	testreq.Root(t)
	// The kernel counts the processes that the user already has. The first process never exceeds the
	// limit.
	first := exec.Command("sleep", "600")
	first.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 54321, Gid: 54321}}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	defer first.Wait()
	defer first.Process.Kill()
	c := shell("exit 0")
	c.Limits = config.Limits{User: "54321", Group: "54321", Rlimits: []config.Rlimit{{Name: "nproc", Soft: 0, Hard: 0}}}
	exited := newRig(t).start(c).exit()
	if exited.Unstarted == nil || !errors.Is(exited.Unstarted, syscall.EAGAIN) {
		t.Fatalf("the worker ended with %+v", exited)
	}
	wantError(t, exited.Hint, "no more processes")
}

// TestProgramsFailures: a fault of the program or its settings is not the master's.
func TestProgramsFailures(t *testing.T) {
	for number := syscall.Errno(1); number < 134; number++ {
		want := false
		switch number {
		case syscall.EMFILE, syscall.ENFILE, syscall.EAGAIN, syscall.ENOMEM, syscall.ENOBUFS, syscall.ENOSPC, syscall.EDQUOT,
			syscall.ENOLCK,
			syscall.EINTR, syscall.EBUSY, syscall.ETXTBSY, syscall.EPIPE, syscall.ECONNRESET, syscall.EPROTO,
			syscall.EIO, syscall.ESTALE, syscall.ETIMEDOUT, syscall.ENOTCONN, syscall.EHOSTDOWN:
			want = true
		}
		if passing(number) != want {
			t.Errorf("%v (%d) is temporary: %v", number, number, !want)
		}
	}
	missing := executable(t, t.TempDir()+"/server", "#!/bin/sh\n")
	r := newRig(t)
	release := r.prepare(Command{App: "app", Args: []string{missing}})
	if err := exec.Command("chmod", "644", missing).Run(); err != nil {
		t.Fatal(err)
	}
	if exited := r.startOf(release, order).exit(); exited.Unstarted != nil {
		t.Errorf("a file without execute permission is the master's failure: %+v", exited)
	}
}

// runDry leaves no descriptor free until the worker is reported as unseen. The lowest free number
// sinks when a file is closed, so it is looked up again and again.
func runDry(t *testing.T, w *worker) (unseen pool.Unseen, giveBack func()) {
	t.Helper()
	for deadline := time.Now().Add(tooLong); time.Now().Before(deadline); {
		giveBack = shorten(t, lowestFree(t))
		select {
		case report := <-w.reports:
			if unseen, ok := w.take(report).(pool.Unseen); ok {
				return unseen, giveBack
			}
		case <-time.After(5 * observeEvery):
		}
		giveBack()
	}
	t.Fatal("the worker is never reported as unseen")
	panic("unreachable")
}

// TestUnseen: if the master cannot look at a worker, it does not know it as ready, and that is not
// the worker's failure.
func TestUnseen(t *testing.T) {
	r, gate := newRig(t, "web"), filepath.Join(t.TempDir(), "gate")
	release := r.prepare(Command{App: "app", Args: []string{python(t), "-Sc", `
import os, socket, time
while not os.path.lexists(os.environ["GATE"]): time.sleep(0.005)
s = socket.socket(fileno=3)
s.setblocking(True)
s.accept()`}, Env: []string{"GATE=" + gate}})
	w := r.newWorker()
	process, err := release.Start(order, w.sink)
	if err != nil {
		t.Fatal(err)
	}
	w.Process = process
	t.Cleanup(w.end)
	unseen, giveBack := runDry(t, w)
	if !strings.Contains(unseen.Reason, "too many open files") || !strings.Contains(unseen.Reason, "LimitNOFILE=") {
		t.Errorf("unseen: %q", unseen.Reason)
	}
	giveBack()
	if seen := expect[pool.Unseen](w); seen.Reason != "" {
		t.Errorf("unseen again: %q", seen.Reason)
	}
	if err := os.Symlink("open", gate); err != nil {
		t.Fatal(err)
	}
	expect[pool.Ready](w)
}
