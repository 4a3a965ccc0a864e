package test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"relevo/internal/testport"
)

// TestStoreNotAllowed: if the unit has no file descriptor store, relevo says so once, and serves.
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
		t.Errorf("it is reported %d times:\n%s", n, s.Journal("web.service"))
	}
	s.Systemctl("stop", "web.service")
}

// TestStoreTooSmall: relevo serves and says once that the store is too small. A killed master costs
// only what was not kept, and no worker serves that the next master does not know.
func TestStoreTooSmall(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "workers = 4\n")
	for _, size := range []string{"12", "1"} { // with 1 not even the listener is kept
		s.override("FileDescriptorStoreMax=" + size)
		s.Systemctl("start", "web.service")
		s.settled(4)
		if n := strings.Count(s.Journal("web.service"), "its store is full: it keeps "+size+" files"); n != 1 {
			t.Errorf("it is reported %d times:\n%s", n, s.Journal("web.service"))
		}
		s.murder()
		s.settled(4)
		if got := s.get("/"); !strings.HasPrefix(got, "version 1 ") {
			t.Errorf("answer %q", got)
		}
		s.Await("only a master and its workers", func() bool { return len(s.Processes("web.service")) == 5 })
		all := s.Processes("web.service")
		s.Systemctl("stop", "web.service")
		s.gone(all)
	}
}

// TestListenersRearranged: listeners are moved and renamed. After a restart, relevo does not confuse
// the sockets that systemd kept.
func TestListenersRearranged(t *testing.T) {
	takesLong(t)
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
	s.Await("the first address to be closed", func() bool { _, err := fetch(first, "/"); return err != nil })
	text := fmt.Sprintf("name = \"web\"\ncommand = [\"./app\"]\nlisten = [\"web=%s\", \"more=%s\"]\nworkers = 1\n", second,
		first)
	if err := os.WriteFile(filepath.Join(s.Dir, "relevo.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s.Systemctl("restart", "web.service")
	s.settled(1)
	s.murder()
	s.settled(1)
	if code, said := s.relevo("reload", "web"); code != 0 { // these workers get only what this master has
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

// TestStrangeLegacyWithoutConfiguration: if a master can use neither its legacy nor a configuration,
// the workers serve until there is a configuration again.
func TestStrangeLegacyWithoutConfiguration(t *testing.T) {
	takesLong(t)
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
	s.Await("a failed start", func() bool {
		n := s.Show("web.service", "NRestarts")
		return n != "0" && n != "1" && n != "2"
	})
	if state := s.Show("web.service", "ActiveState"); state == "failed" {
		t.Errorf("the service is %s", state)
	}
	if said := s.get("/"); !strings.HasPrefix(said, "version 1 ") {
		t.Errorf("the workers answer %q", said)
	}
	if err := os.Rename(file+".away", file); err != nil {
		t.Fatal(err)
	}
	if after := s.settled(2); slices.Equal(before, after) {
		t.Errorf("pids %v serve, which no master knows", after)
	}
	s.Await("the old workers to be gone", func() bool { return len(s.Processes("web.service")) == 3 })
	s.Systemctl("stop", "web.service")
}

// TestStrangeLegacy: the document was written by a newer relevo, or contradicts itself. The next
// master starts over on the same sockets, and no other process is left.
func TestStrangeLegacy(t *testing.T) {
	takesLong(t)
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
					t.Errorf("worker %d still serves", pid)
				}
			}
			s.Await("the old workers to be gone", func() bool { return len(s.Processes("web.service")) == 3 })
			if got := s.get("/"); !strings.HasPrefix(got, "version 1 ") {
				t.Errorf("answer %q", got)
			}
		})
	}
	s.t = t
	before := s.settled(2)
	s.murder()
	if after := s.settled(2); !slices.Equal(before, after) {
		t.Errorf("pids %v serve, before: %v: what systemd keeps since the last start is not complete", after, before)
	}
	all := s.Processes("web.service")
	s.Systemctl("stop", "web.service")
	s.gone(all)
}

// forge changes the document that systemd keeps, while the master is stopped.
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
