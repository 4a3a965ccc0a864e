package test

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/lazyregexp"
	"relevo/internal/testreq"
	"relevo/pool"
)

// TestFloods: one worker floods what all workers share. The others die, start and roll as usual.
func TestFloods(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for misdeed, where := range map[string]string{"flood-notify": "notify socket", "flood-channel": "channel"} {
		t.Run(misdeed, func(t *testing.T) {
			s := newSite(t, "-n", "2", "--canary", "50ms", "--drain-timeout", "5s", "--watch-binary=false")
			s.settled(2)
			events := s.record()
			end := s.load()
			defer end()
			flooder := s.tell(0, misdeed)
			if flood := events.await(pool.KindFlood, 1)[0]; flood.ID != flooder.ID ||
				!strings.HasPrefix(flood.Text, where+", ") {
				t.Errorf("worker %s: %q; want worker %s, %q", flood.ID, flood.Text, flooder.ID, where)
			}
			victim := s.inSlot(1)
			if _, err := s.client.Signal(context.Background(), pool.Target{ID: victim.ID}, "USR1"); err != nil {
				t.Fatal(err)
			}
			s.await("the successor of a sibling", func() bool { return s.inSlot(1).ID != victim.ID })
			s.release("2", "serve")
			if code, said := s.relevo("reload", "site"); code != 0 {
				t.Errorf("reload: %d: %s", code, said)
			}
			s.settled(2)
			if syscall.Kill(flooder.PID, 0) == nil {
				t.Error("the flooding worker is still there")
			}
			report := end()
			lost := report.Total.Lost
			held, deaths := s.heldByDead()
			if gone := lost.EOF + lost.Reset; lost.Total() > gone || gone > int64(held+deaths) || report.Total.OK == 0 {
				t.Errorf("dead workers held %d: %+v %+v", held, report.Total, report.Samples)
			}
		})
	}
}

var childSays = lazyregexp.New(`child of (group|session) (\d+)`)

// family returns the pids of the two children and two grandchildren that a worker has reported.
func (s *site) family() (group, session []int) {
	s.t.Helper()
	s.await("the worker's children", func() bool {
		group, session = nil, nil
		for _, found := range childSays.FindAllStringSubmatch(s.log.String(), -1) {
			pid, _ := strconv.Atoi(found[2])
			if found[1] == "group" {
				group = append(group, pid)
			} else {
				session = append(session, pid)
			}
		}
		return len(group) == 2 && len(session) == 2
	})
	s.t.Cleanup(func() {
		for _, pid := range session { // the end of their worker may not end them
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return group, session
}

// TestChildrenGoToo: when a worker is killed, its children of the same process group are killed
// with it, and no process of another family is.
func TestChildrenGoToo(t *testing.T) {
	t.Parallel()
	s := newSite(t, "-n", "2")
	s.settled(2)
	w := s.tell(0, "have-children")
	group, _ := s.family()
	sibling := s.inSlot(1)
	syscall.Kill(w.PID, syscall.SIGKILL)
	s.await("the process group to end", func() bool { return allGone(group) })
	if s.inSlot(1).PID != sibling.PID {
		t.Error("the other worker died, too")
	}
}

// TestWholeFamilyGoes: if the master may use a cgroup, no process of a worker outlives the worker,
// not even one with a session of its own.
func TestWholeFamilyGoes(t *testing.T) {
	t.Parallel()
	cgroup := delegatedCgroup(t)
	s := emptySite(t)
	relevo := s.enter(cgroup)
	s.start("run", "--name", "site", "-l", "127.0.0.1:0", "-n", "2", "--", "./app")
	s.settled(2)
	w := s.tell(0, "have-children")
	group, session := s.family()
	syscall.Kill(w.PID, syscall.SIGKILL)
	s.await("the family to end", func() bool { return allGone(group) && allGone(session) })
	s.settled(2)
	s.program = relevo
	s.stop()
	if left, _ := filepath.Glob(cgroup + "/relevo-*"); len(left) > 0 {
		t.Errorf("cgroups still exist: %q", left)
	}
}

// enter makes relevo start in a cgroup from now on. It returns relevo's own program.
func (s *site) enter(cgroup string) (relevo string) {
	s.t.Helper()
	relevo = s.program
	s.program = filepath.Join(s.dir, "enter")
	enter := "#!/bin/sh\necho $$ >" + cgroup + "/cgroup.procs && exec " + relevo + ` "$@"` + "\n"
	if err := writeProgram(s.program, []byte(enter)); err != nil {
		s.t.Fatal(err)
	}
	return relevo
}

func allGone(pids []int) bool {
	for _, pid := range pids {
		if syscall.Kill(pid, 0) == nil {
			return false
		}
	}
	return true
}

// delegatedCgroup makes a cgroup with systemd's mark of Delegate=yes.
func delegatedCgroup(t *testing.T) string {
	t.Helper()
	testreq.Root(t)
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		testreq.Missing(t, err.Error())
	}
	defer mounts.Close()
	root := ""
	for lines := bufio.NewScanner(mounts); lines.Scan(); {
		if before, _, found := strings.Cut(lines.Text(), " - cgroup2 "); found {
			root = strings.Fields(before)[4]
		}
	}
	if root == "" {
		testreq.Missing(t, "no cgroup v2 is mounted")
	}
	dir, err := os.MkdirTemp(root, "relevo-test-")
	if err != nil {
		testreq.Missing(t, "cannot make a cgroup: "+err.Error())
	}
	t.Cleanup(func() {
		await(func() bool { return os.Remove(dir) == nil })
	})
	if err := unix.Setxattr(dir, "trusted.delegate", []byte("1"), 0); err != nil {
		testreq.Missing(t, err.Error())
	}
	return dir
}
