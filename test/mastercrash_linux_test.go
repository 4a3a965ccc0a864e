package test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"relevo/internal/control"
)

// app is what relevo status prints inside the box.
func (s *unitSite) app() (status control.Status, err error) {
	cmd := s.Command(s.program(), "status", "web", "--json")
	out, err := cmd.Output()
	if err != nil {
		return status, fmt.Errorf("status: %w: %s", err, out)
	}
	return status, json.Unmarshal(out, &status)
}

// settled waits until n workers serve and none starts or leaves, and returns their pids inside the
// box.
func (s *unitSite) settled(n int) (pids []int) {
	s.t.Helper()
	s.Await(fmt.Sprintf("%d workers to serve", n), func() bool {
		pids = nil
		status, err := s.app()
		if err != nil || status.State != "running" || len(status.Workers) != n {
			return false
		}
		for _, w := range status.Workers {
			if w.State != "serving" {
				return false
			}
			pids = append(pids, w.PID)
		}
		return true
	})
	slices.Sort(pids)
	return pids
}

// murder kills the master and waits for another one.
func (s *unitSite) murder() {
	s.t.Helper()
	before := s.Show("web.service", "MainPID")
	pid := 0
	// there is none at the moment of a succession
	s.Await("a main process", func() bool { pid = s.mainProcess(); return pid != 0 })
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
		s.t.Fatal(err)
	}
	s.Await("another master", func() bool {
		now := s.Show("web.service", "MainPID")
		return now != "0" && now != before && s.Show("web.service", "ActiveState") == "active"
	})
}

// endLoad ends a load and checks that no request was lost.
func endLoad(t *testing.T, load *backgroundLoad) {
	t.Helper()
	load.cancel()
	r := <-load.result
	if r.err != nil || r.report.Total.OK == 0 {
		t.Fatalf("the load: %+v, %v", r.report.Total, r.err)
	}
	if n := r.report.Lost(); n > 0 {
		t.Errorf("%d of %d requests lost: %+v", n, r.report.Total.Sent, r.report.Samples)
	}
	t.Logf("%d requests, %d lost, longest gap %v", r.report.Total.Sent, r.report.Lost(), r.report.LongestGap)
}

// TestMasterKilled: SIGKILL for the master, twenty times, under load. The workers keep serving, the
// next master adopts all of them, and all requests work on them.
func TestMasterKilled(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "workers = 3\nwatch_binary = false\ncanary = \"200ms\"\n")
	s.Systemctl("start", "web.service")
	before := s.settled(3)
	load := startLoad(s.address)
	long := s.ask("/slow?for=8s")
	for range 20 {
		s.murder()
		if after := s.settled(3); !slices.Equal(before, after) {
			t.Fatalf("pids %v serve, before: %v\n%s", after, before, s.Journal("web.service"))
		}
	}
	if err := <-long; err != nil {
		t.Errorf("a request in progress was lost: %v", err)
	}
	endLoad(t, load)

	load = startLoad(s.address)
	if code, said := s.relevo("scale", "web", "4"); code != 0 {
		t.Errorf("scale: %d %s", code, said)
	}
	s.settled(4)
	if code, said := s.relevo("reload", "web"); code != 0 {
		t.Errorf("reload: %d %s", code, said)
	}
	s.settled(4)
	s.murder()
	s.settled(4)
	endLoad(t, load)
	// The master sees a crash, and how the worker ended.
	if code, said := s.relevo("signal", "web", "--slot", "2", "KILL"); code != 0 {
		t.Errorf("signal: %d %s", code, said)
	}
	s.Await("the respawn", func() bool {
		status, err := s.app()
		if err != nil {
			return false
		}
		w := status.Workers[2]
		return w.State == "serving" && w.Respawns == 1 && w.LastExit != nil && w.LastExit.String() == "killed by SIGKILL"
	})
	all := s.Processes("web.service")
	s.Systemctl("stop", "web.service")
	s.gone(all)
}

// TestMasterKilledAtWork: the master is killed in the middle of a roll, of drains, and of its own
// replacement.
func TestMasterKilledAtWork(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "workers = 3\nwatch_binary = false\ncanary = \"500ms\"\ndrain_timeout = \"20s\"\n")
	s.Systemctl("start", "web.service")
	s.settled(3)

	t.Run("roll", func(t *testing.T) {
		s.t = t
		load := startLoad(s.address)
		s.release("2", "slow-start") // each start takes a second
		under := 0
		for round := range 4 {
			if code, said := s.relevo("reload", "web", "--no-wait"); code != 0 {
				t.Fatalf("reload: %d %s", code, said)
			}
			pause(time.Duration(400+700*round) * time.Millisecond)
			status, err := s.app()
			if err == nil && status.State == "rolling" {
				under++
			}
			s.murder()
			s.settled(3)
			status, err = s.app()
			if err != nil || status.LastRoll == nil || status.LastRoll.Result != "ok" || status.Generation != 2+round {
				t.Errorf("round %d: generation %d, last roll %+v, %v", round, status.Generation, status.LastRoll, err)
			}
		}
		if under == 0 {
			t.Error("each roll was over when the master was killed")
		}
		endLoad(t, load)
		if got := s.get("/"); !strings.HasPrefix(got, "version 2 ") {
			t.Errorf("answer %q", got)
		}
	})
	t.Run("drain", func(t *testing.T) {
		s.t = t
		load := startLoad(s.address)
		var answers []<-chan error
		for range 12 {
			answers = append(answers, s.ask("/slow?for=4s"))
		}
		s.relevo("scale", "web", "1")
		if status, err := s.app(); err != nil || leaving(status) == 0 {
			t.Errorf("no worker drains when the master is killed: %v", err)
		}
		s.murder()
		for _, answer := range answers {
			if err := <-answer; err != nil {
				t.Errorf("lost: %v", err)
			}
		}
		s.settled(1)
		s.relevo("scale", "web", "3")
		s.settled(3)
		endLoad(t, load)
	})
	t.Run("upgrade", func(t *testing.T) {
		s.t = t
		load := startLoad(s.address)
		before := s.settled(3)
		during := 0
		for round := 0; round < 6 || during == 0 && round < 60; round++ {
			asked := make(chan string, 1)
			go func() {
				_, said := s.relevo("upgrade", "web")
				asked <- said
			}()
			pause(time.Duration(round*7) * time.Millisecond) // shorter than an upgrade: one of the rounds hits it
			s.murder()
			if strings.Contains(<-asked, "ended before it answered") {
				during++
			}
			if after := s.settled(3); !slices.Equal(before, after) {
				t.Errorf("pids %v serve, before: %v", after, before)
			}
		}
		if during == 0 {
			t.Error("no master was killed during its upgrade")
		}
		endLoad(t, load)
	})
	all := s.Processes("web.service")
	s.Systemctl("stop", "web.service")
	s.gone(all)
}

// TestMasterReplacedBySystemd: relevo upgrade replaces the main process again and again, and systemd
// knows each new one.
func TestMasterReplacedBySystemd(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "workers = 2\nwatch_binary = false\n")
	s.Systemctl("start", "web.service")
	before := s.settled(2)
	load := startLoad(s.address)
	main := s.Show("web.service", "MainPID")
	for range 5 {
		if code, said := s.relevo("upgrade", "web"); code != 0 {
			t.Fatalf("upgrade: %d %s\n%s", code, said, s.Journal("web.service"))
		}
		now := s.Show("web.service", "MainPID")
		if now == main {
			t.Errorf("the main process is still %s", now)
		}
		if main = now; s.Show("web.service", "NRestarts") != "0" {
			t.Error("systemd has restarted it")
		}
	}
	s.murder() // the stored state is complete after successions, too
	if after := s.settled(2); !slices.Equal(before, after) {
		t.Errorf("pids %v serve, before: %v", after, before)
	}
	s.Systemctl("reload", "web.service")
	s.settled(2)
	s.Systemctl("restart", "web.service") // the addresses stay open for the next master
	s.settled(2)
	endLoad(t, load)
	all := s.Processes("web.service")
	s.Systemctl("stop", "web.service")
	s.gone(all)
	if _, err := fetch(s.address, "/"); err == nil {
		t.Error("something answers after the stop")
	}
}

// TestMasterKilledWithBadConfiguration: the file is read only at reloads. What serves keeps serving,
// also under the next master.
func TestMasterKilledWithBadConfiguration(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "workers = 2\n")
	s.Systemctl("start", "web.service")
	before := s.settled(2)
	file := filepath.Join(s.Dir, "relevo.toml")
	link := func(target string) {
		os.Remove(file)
		if err := os.Symlink(target, file); err != nil {
			t.Fatal(err)
		}
	}
	for _, change := range []func(){
		func() { s.configure("workers = 0x\n") },
		func() { s.configure("nonsense") },
		func() { link("nowhere") }, // as in the middle of a deploy
		func() { link(s.Dir) },
		func() { s.override("[Service]\nEnvironment=RELEVO_WORKERS=many RELEVO_UPGRADE_TIMEOUT=soon\n") },
		func() { os.Remove(file) },
	} {
		change()
		s.murder()
		if after := s.settled(2); !slices.Equal(before, after) {
			t.Errorf("pids %v serve, before: %v", after, before)
		}
	}
	if code, said := s.relevo("reload", "web"); code != 6 {
		t.Errorf("reload: %d %s", code, said)
	}
	s.configure("workers = 3\n")
	s.override("[Service]\nEnvironment=\n")
	s.murder()
	if code, said := s.relevo("reload", "web"); code != 0 {
		t.Errorf("reload: %d %s", code, said)
	}
	s.settled(3)
	all := s.Processes("web.service")
	s.Systemctl("stop", "web.service")
	s.gone(all)
}

// TestMasterKilledWhileBooting: the next master finishes the start, and then tells systemd that the
// service is ready.
func TestMasterKilledWhileBooting(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "workers = 2\n")
	s.release("1", "waits")
	s.Systemctl("start", "--no-block", "web.service")
	starting := func() (pids []int) {
		s.Await("two workers to start", func() bool {
			pids = nil
			status, err := s.app()
			for _, w := range status.Workers {
				if w.State == "starting" && w.PID != 0 {
					pids = append(pids, w.PID)
				}
			}
			return err == nil && status.State == "booting" && len(pids) == 2
		})
		slices.Sort(pids)
		return pids
	}
	before := starting()
	for range 2 {
		master := s.mainProcess()
		if err := syscall.Kill(master, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		s.Await("another master", func() bool {
			now := s.mainProcess()
			return now != 0 && now != master
		})
		if now := starting(); !slices.Equal(now, before) {
			t.Errorf("pids %v start, before: %v", now, before)
		}
		if state := s.Show("web.service", "ActiveState"); state != "activating" {
			t.Errorf("the service is %s before a worker is ready", state)
		}
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if now := s.settled(2); !slices.Equal(now, before) {
		t.Errorf("pids %v serve, before: %v", now, before)
	}
	s.Await("systemd to know that it is ready", func() bool { return s.Show("web.service", "ActiveState") == "active" })
	all := s.Processes("web.service")
	s.Systemctl("stop", "web.service")
	s.gone(all)
}

// TestMasterKilledWithAnotherUser: the workers' user may send to the notify socket of the next
// master, too.
func TestMasterKilledWithAnotherUser(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "workers = 1\nready = \"notify\"\n[limits]\nuser = \"nobody\"\n")
	s.release("1", "notify")
	s.Systemctl("start", "web.service")
	before := s.settled(1)
	s.murder()
	if after := s.settled(1); !slices.Equal(before, after) {
		t.Errorf("pids %v serve, before: %v", after, before)
	}
	if code, said := s.relevo("signal", "web", "KILL"); code != 0 {
		t.Fatalf("signal: %d %s", code, said)
	}
	s.Await("a respawn whose notification arrives", func() bool {
		status, err := s.app()
		return err == nil && len(status.Workers) == 1 && status.Workers[0].Respawns == 1 &&
			status.Workers[0].State == "serving"
	})
	all := s.Processes("web.service")
	s.Systemctl("stop", "web.service")
	s.gone(all)
}
