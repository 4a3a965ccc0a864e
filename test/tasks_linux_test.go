package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"relevo/internal/testreq"
	"relevo/internal/threads"
)

// TestMasterNeedsNoNewThreads: the Go runtime ends a program that needs another thread at the limit
// of tasks. So the master creates all of its threads at its start.
func TestMasterNeedsNoNewThreads(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newSite(t, "-n", "2", "--canary", "0")
	s.settled(2)
	before := threadsOf(t, s.master.Process.Pid)
	if before < threads.Enough {
		t.Errorf("the master has %d threads, want %d at least", before, threads.Enough)
	}
	for _, words := range [][]string{{"scale", "site", "24"}, {"reload", "--force", "site"}, {"scale", "site", "2"}} {
		if code, said := s.relevo(words...); code != 0 {
			t.Fatalf("%q exits %d: %s", words, code, said)
		}
	}
	s.settled(2)
	if after := threadsOf(t, s.master.Process.Pid); after > before {
		t.Errorf("the master had %d threads and has %d: it would have died at the limit of tasks", before, after)
	}
}

// TestMasterOfManyProcessors: a master has no more threads on a machine with many processors, and
// workers = "auto" is still their number when the configuration is read again.
func TestMasterOfManyProcessors(t *testing.T) {
	t.Parallel()
	const processors = 32
	s := emptySite(t)
	s.env = append(s.env, fmt.Sprintf("GOMAXPROCS=%d", processors))
	configuration := "name = \"site\"\nlisten = [\"127.0.0.1:0\"]\ncommand = [\"./app\"]\nworkers = \"%s..auto\"\n"
	s.configure(fmt.Sprintf(configuration, "1"))
	s.start("run")
	if has := threadsOf(t, s.master.Process.Pid); has >= processors {
		t.Errorf("the master has %d threads", has)
	}
	s.configure(fmt.Sprintf(configuration, "2"))
	if code, said := s.relevo("reload", "site"); code != 0 {
		t.Fatal(said)
	}
	status, err := s.client.Status(t.Context())
	if err != nil || status.Scale == nil || status.Scale.Min != 2 || status.Scale.Max != processors {
		t.Errorf("after a reload it has %+v workers, %v; want 2 to %d", status.Scale, err, processors)
	}
}

func threadsOf(t *testing.T, pid int) int {
	t.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(tasks)
}

// TestSuccessorAtTheLimitOfTasks: a master was started where there is hardly room for a second one.
// The second one has all of its threads when the first master has ended.
func TestSuccessorAtTheLimitOfTasks(t *testing.T) {
	t.Parallel()
	group := tasksCgroup(t)
	s := newSite(t, "-n", "2", "--canary", "0", "--upgrade", "tableflip", "--watch-binary=false")
	workers := s.settled(2)
	for _, pid := range append(workers, s.master.Process.Pid) {
		group.write("cgroup.procs", strconv.Itoa(pid))
	}
	now, err := strconv.Atoi(group.read("pids.current"))
	if err != nil {
		t.Fatal(err)
	}
	group.write("pids.max", strconv.Itoa(now+16))
	successor := s.upgrade()
	group.write("pids.max", "max")
	if has := threadsOf(t, successor); has < threads.Enough {
		t.Errorf("the successor has %d threads, want %d at least", has, threads.Enough)
	}
}

// taskGroup is a cgroup with a limit of tasks.
type taskGroup struct {
	t   *testing.T
	dir string
}

// tasksCgroup makes a taskGroup, which is removed at the end of the test.
func tasksCgroup(t *testing.T) taskGroup {
	t.Helper()
	testreq.Root(t)
	for _, mount := range []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup"} {
		dir, err := os.MkdirTemp(mount, "relevo-test-")
		if err != nil {
			continue
		}
		g := taskGroup{t, dir}
		t.Cleanup(func() {
			var err error
			if !await(func() bool { err = os.Remove(g.dir); return err == nil }) { // a process leaves its cgroup late
				t.Errorf("a cgroup still exists: %v", err)
			}
		})
		if _, err := os.Stat(filepath.Join(dir, "pids.max")); err == nil {
			return g
		}
	}
	testreq.Missing(t, "no cgroup limits tasks here")
	return taskGroup{}
}

func (g taskGroup) write(file, text string) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, file), []byte(text), 0); err != nil {
		g.t.Fatal(err)
	}
}

func (g taskGroup) read(file string) string {
	g.t.Helper()
	text, err := os.ReadFile(filepath.Join(g.dir, file))
	if err != nil {
		g.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}
