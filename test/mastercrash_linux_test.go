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

	"relevo/internal/testport"
)

// app is what relevo status says, from inside.
func (s *unitSite) app() (status control.Status, err error) {
	cmd := s.Command(s.program(), "status", "web", "--json")
	out, err := cmd.Output()
	if err != nil {
		return status, fmt.Errorf("status: %w: %s", err, out)
	}
	return status, json.Unmarshal(out, &status)
}

// settled waits until n workers serve and nobody comes or goes, and returns their
// pids, as they are inside.
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
	// none, in the moment of a succession
	s.Await("a main process", func() bool { pid = s.mainProcess(); return pid != 0 })
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
		s.t.Fatal(err)
	}
	s.Await("another master", func() bool {
		now := s.Show("web.service", "MainPID")
		return now != "0" && now != before && s.Show("web.service", "ActiveState") == "active"
	})
}

// endLoad ends a load and wants that it has lost nothing.
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

// TestMasterKilled: twenty times SIGKILL for the master, under load. Its workers
// serve on, the next master has them all, and everything works on them.
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
		t.Errorf("a request that was under way is lost: %v", err)
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
	// A crash is seen, and how it ended.
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

// TestMasterKilledAtWork: in the middle of a roll, of drains, and of its own
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
		s.release("2", "slow-start") // a second each
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
		for delay := range 6 {
			asked := make(chan string, 1)
			go func() {
				_, said := s.relevo("upgrade", "web")
				asked <- said
			}()
			pause(time.Duration(delay*30) * time.Millisecond)
			s.murder()
			<-asked
			if after := s.settled(3); !slices.Equal(before, after) {
				t.Errorf("pids %v serve, before: %v", after, before)
			}
		}
		endLoad(t, load)
	})
	all := s.Processes("web.service")
	s.Systemctl("stop", "web.service")
	s.gone(all)
}

// TestMasterReplacedBySystemd: relevo upgrade changes the main process, again and
// again, and systemd knows.
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
	s.murder() // what is stored is whole also after successions
	if after := s.settled(2); !slices.Equal(before, after) {
		t.Errorf("pids %v serve, before: %v", after, before)
	}
	s.Systemctl("reload", "web.service")
	s.settled(2)
	s.Systemctl("restart", "web.service") // the addresses wait for the next master
	s.settled(2)
	endLoad(t, load)
	all := s.Processes("web.service")
	s.Systemctl("stop", "web.service")
	s.gone(all)
	if _, err := fetch(s.address, "/"); err == nil {
		t.Error("somebody answers after the stop")
	}
}

// TestMasterKilledWithBadConfiguration: the file is read at reloads. Until then what
// serves goes on, also with the next master.
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
		func() { link("nowhere") }, // as after half a deploy
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

// TestStoreNotAllowed: a unit that keeps no files is told of, once, and serves.
func TestStoreNotAllowed(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "workers = 1\n")
	s.override("FileDescriptorStoreMax=0")
	s.Systemctl("start", "web.service")
	s.settled(1)
	s.relevo("reload", "web")
	s.settled(1)
	if n := strings.Count(s.Journal("web.service"), "systemd keeps no files for this unit"); n != 1 {
		t.Errorf("it is told %d times:\n%s", n, s.Journal("web.service"))
	}
	s.Systemctl("stop", "web.service")
}

// TestStoreTooSmall: it serves and says so once. A killed master costs only what was
// not kept, and nobody serves on whom the next one does not know.
func TestStoreTooSmall(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "workers = 4\n")
	for _, size := range []string{"12", "1"} { // with 1 not even the listener is kept
		s.override("FileDescriptorStoreMax=" + size)
		s.Systemctl("start", "web.service")
		s.settled(4)
		if n := strings.Count(s.Journal("web.service"), "its store is full: it keeps "+size+" files"); n != 1 {
			t.Errorf("it is told %d times:\n%s", n, s.Journal("web.service"))
		}
		s.murder()
		s.settled(4)
		if got := s.get("/"); !strings.HasPrefix(got, "version 1 ") {
			t.Errorf("answer %q", got)
		}
		s.Await("no more than a master and its workers", func() bool { return len(s.Processes("web.service")) == 5 })
		all := s.Processes("web.service")
		s.Systemctl("stop", "web.service")
		s.gone(all)
	}
}

// TestListenersRearranged: what systemd keeps over a restart is not mistaken for
// something else after it.
func TestListenersRearranged(t *testing.T) {
	t.Parallel()
	s := newUnitSite(t, "workers = 1\n")
	s.Systemctl("start", "web.service")
	s.settled(1)
	first, second := s.address, testport.Address(t)
	s.address = second
	s.configure("workers = 1\n")
	if code, said := s.relevo("reload", "web"); code != 0 {
		t.Fatalf("reload: %d %s", code, said)
	}
	s.settled(1)
	s.Await("the first address to be given up", func() bool { _, err := fetch(first, "/"); return err != nil })
	text := fmt.Sprintf("name = \"web\"\ncommand = [\"./app\"]\nlisten = [\"web=%s\", \"more=%s\"]\nworkers = 1\n", second,
		first)
	if err := os.WriteFile(filepath.Join(s.Dir, "relevo.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s.Systemctl("restart", "web.service")
	s.settled(1)
	s.murder()
	s.settled(1)
	if code, said := s.relevo("reload", "web"); code != 0 { // workers that know only what this master has
		t.Errorf("reload: %d %s", code, said)
	}
	s.settled(1)
	for _, address := range []string{first, second} {
		if got, err := fetch(address, "/"); err != nil || !strings.HasPrefix(got, "version 1 ") {
			t.Errorf("%s answers %q, %v", address, got, err)
		}
	}
	s.Systemctl("stop", "web.service")
}

// TestStrangeLegacyWithoutConfiguration: where nothing can be gone on with and nothing
// is known of the app, its workers serve until there is a configuration again.
func TestStrangeLegacyWithoutConfiguration(t *testing.T) {
	t.Parallel()
	s := newUnitSite(t, "workers = 2\n")
	s.Systemctl("start", "web.service")
	before := s.settled(2)
	file := filepath.Join(s.Dir, "relevo.toml")
	if err := os.Rename(file, file+".away"); err != nil {
		t.Fatal(err)
	}
	s.forge(func(document map[string]any) { document["format"], document["reads"] = 99, 99 })
	syscall.Kill(s.mainProcess(), syscall.SIGKILL)
	s.Await("a start that fails", func() bool {
		n := s.Show("web.service", "NRestarts")
		return n != "0" && n != "1" && n != "2"
	})
	if state := s.Show("web.service", "ActiveState"); state == "failed" {
		t.Errorf("the service is %s", state)
	}
	if said := s.get("/"); !strings.HasPrefix(said, "version 1 ") {
		t.Errorf("the workers say %q", said)
	}
	if err := os.Rename(file+".away", file); err != nil {
		t.Fatal(err)
	}
	if after := s.settled(2); slices.Equal(before, after) {
		t.Errorf("pids %v serve, whom nobody knows", after)
	}
	s.Await("the old workers to be gone", func() bool { return len(s.Processes("web.service")) == 3 })
	s.Systemctl("stop", "web.service")
}

// TestStrangeLegacy: a document that this relevo cannot go on with, because a newer one
// wrote it or because it contradicts itself. The next master begins anew on the same
// sockets, and nobody else is left.
func TestStrangeLegacy(t *testing.T) {
	t.Parallel()
	s := newUnitSite(t, "workers = 2\n")
	s.Systemctl("start", "web.service")
	for name, change := range map[string]func(map[string]any){
		"newer":   func(l map[string]any) { l["format"], l["reads"] = 99, 99 },
		"torn":    func(l map[string]any) { l["pool"].(map[string]any)["machine"].(map[string]any)["phase"] = "gone" },
		"lacking": func(l map[string]any) { l["serving"] = 12345 },
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			before := s.settled(2)
			s.forge(change)
			s.murder()
			after := s.settled(2)
			for _, pid := range after {
				if slices.Contains(before, pid) {
					t.Errorf("worker %d serves on", pid)
				}
			}
			s.Await("the old workers to be gone", func() bool { return len(s.Processes("web.service")) == 3 })
			if got := s.get("/"); !strings.HasPrefix(got, "version 1 ") {
				t.Errorf("answer %q", got)
			}
		})
	}
	s.t = t
	s.murder() // what is kept now is whole
	s.settled(2)
	all := s.Processes("web.service")
	s.Systemctl("stop", "web.service")
	s.gone(all)
}

// forge changes the document that systemd keeps, behind the back of a master that
// stands still.
func (s *unitSite) forge(change func(map[string]any)) {
	s.t.Helper()
	master := s.master()
	if err := syscall.Kill(master, syscall.SIGSTOP); err != nil {
		s.t.Fatal(err)
	}
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", master))
	for _, link := range links {
		if target, _ := os.Readlink(link); !strings.HasPrefix(target, "/memfd:relevo legacy") {
			continue
		}
		file, err := os.OpenFile(link, os.O_RDWR, 0)
		if err != nil {
			s.t.Fatal(err)
		}
		defer file.Close()
		if err := forgeSlots(file, change); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	s.t.Fatal("there is no document")
}

// TestMasterKilledWhileBooting: the next master goes on with the start, and systemd
// hears that the service is ready when it is.
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
	s.Await("systemd to know", func() bool { return s.Show("web.service", "ActiveState") == "active" })
	all := s.Processes("web.service")
	s.Systemctl("stop", "web.service")
	s.gone(all)
}

// TestMasterKilledWithAnotherUser: the workers' user may send to the notify socket of
// the next master, too.
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
	s.Await("a respawn that is heard", func() bool {
		status, err := s.app()
		return err == nil && len(status.Workers) == 1 && status.Workers[0].Respawns == 1 &&
			status.Workers[0].State == "serving"
	})
	all := s.Processes("web.service")
	s.Systemctl("stop", "web.service")
	s.gone(all)
}
