package test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"relevo/pool"
)

// lateApp listens when the file "go" exists, and writes a file when it has asked for its socket.
const lateApp = `
const fs = require('node:fs');
const server = require('node:http').createServer((request, response) => response.end('served\n'));
const begin = () => {
  if (!fs.existsSync('go')) return setTimeout(begin, 20);
  server.listen(PORT, '127.0.0.1');
  setImmediate(() => fs.writeFileSync('asked-' + process.pid, ''));
};
begin();
`

// starting returns the pids of the workers that start.
func (s *unitSite) starting() (pids []int) {
	status, err := s.app()
	for _, w := range status.Workers {
		if err == nil && w.State == "starting" && w.PID != 0 {
			pids = append(pids, w.PID)
		}
	}
	return pids
}

// killWhileAsked kills the master when workers have asked it for their sockets and it has not
// answered yet.
func (s *unitSite) killWhileAsked(pids []int) {
	s.t.Helper()
	master := s.master()
	if err := syscall.Kill(master, syscall.SIGSTOP); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "go"), nil, 0o644); err != nil {
		s.t.Fatal(err)
	}
	for _, pid := range pids {
		s.Await("a worker to ask", func() bool {
			_, err := os.Stat(filepath.Join(s.Dir, fmt.Sprint("asked-", pid)))
			return err == nil
		})
	}
	s.killMaster(master)
}

func (s *unitSite) killMaster(pid int) {
	s.t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
	s.Await("another master", func() bool { now := s.mainProcess(); return now != 0 && now != pid })
}

// inside returns the pids of the service's processes as seen in the box.
func (s *unitSite) inside() (pids []int) {
	s.t.Helper()
	for _, pid := range s.Processes("web.service") {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for line := range strings.Lines(string(text)) {
			var number int
			if f := strings.Fields(line); len(f) > 0 && f[0] == "NSpid:" {
				fmt.Sscan(f[len(f)-1], &number)
				pids = append(pids, number)
			}
		}
	}
	slices.Sort(pids)
	return pids
}

// wantNoStrays waits until the service has no other processes than its master and n workers that
// serve.
func (s *unitSite) wantNoStrays(n int) {
	s.t.Helper()
	s.Await("no other process to be left", func() bool {
		want := s.settled(n)
		var master int
		fmt.Sscan(s.Show("web.service", "MainPID"), &master)
		want = append(want, master)
		slices.Sort(want)
		return slices.Equal(want, s.inside())
	})
}

// TestNodeUnsettledMasterKilled: the master is killed while a Node worker is not ready: it waits for
// its socket, or has not asked for it yet. The worker is replaced, at the start of an app and in a
// roll, and no process is left over.
func TestNodeUnsettledMasterKilled(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for _, asks := range []bool{true, false} {
		t.Run(fmt.Sprint("asks ", asks), func(t *testing.T) {
			t.Parallel()
			s := nodeUnit(t, lateApp, "workers = 2\n")
			kill := func(pids []int) {
				if asks {
					s.killWhileAsked(pids)
					return
				}
				s.killMaster(s.master())
				if err := os.WriteFile(filepath.Join(s.Dir, "go"), nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			s.Systemctl("start", "--no-block", "web.service")
			s.Await("the workers to start", func() bool { return len(s.starting()) == 2 })
			kill(s.starting())
			s.wantNoStrays(2)
			if err := os.Remove(filepath.Join(s.Dir, "go")); err != nil {
				t.Fatal(err)
			}
			s.must("reload", "web", "--no-wait")
			s.Await("the canary to start", func() bool { return len(s.starting()) == 1 })
			kill(s.starting())
			s.Await("the roll to end", func() bool {
				status, err := s.app()
				return err == nil && len(status.Workers) == 2 && !slices.ContainsFunc(status.Workers,
					func(w pool.Worker) bool { return w.Generation != 2 })
			})
			s.wantNoStrays(2)
			s.Systemctl("stop", "web.service")
		})
	}
}
