package test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestUnitPowers: workers with a user and limits of their own do not need the capabilities that the
// unit takes from root.
func TestUnitPowers(t *testing.T) {
	takesLong(t)
	t.Parallel()
	const limits = "workers = 1\nwatch_binary = false\n[limits]\nuser = \"nobody\"\nnice = -5\noom_score_adj = 100\n" +
		"rlimits = { nofile = \"4096:8192\" }\n"
	s := newUnitSite(t, limits)
	s.Systemctl("start", "web.service")
	s.release("2", "serve")
	s.Systemctl("reload", "web.service")
	if got := s.get("/"); !strings.HasPrefix(got, "version 2 ") {
		t.Errorf("answer %q", got)
	}
	for _, warning := range []string{"level=WARN", "level=ERROR", "not permitted"} {
		if log := s.Journal("web.service"); strings.Contains(log, warning) {
			t.Errorf("%s in the journal:\n%s", warning, log)
		}
	}
	master := s.master()
	for _, pid := range s.Processes("web.service") {
		if pid == master {
			continue
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"\nUid:\t65534\t65534\t65534\t65534\n", "\nCapEff:\t0000000000000000\n",
			"\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("worker %d lacks %q:\n%s", pid, want, text)
			}
		}
		cgroup, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		if err != nil || !strings.Contains(string(cgroup), "/web.service/relevo-web-") {
			t.Errorf("worker %d is in %s, %v; want a cgroup of its own", pid, cgroup, err)
		}
	}
	before := s.Processes("web.service")
	s.Systemctl("stop", "web.service")
	s.gone(before)
}

// TestLongReload: a roll takes longer than the unit's time for a reload. systemctl waits for its
// end, because the master asks systemd for more time.
func TestLongReload(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "workers = 6\nwatch_binary = false\n")
	s.override("TimeoutStartSec=5")
	s.release("1", "slow-start")
	s.Systemctl("start", "web.service")
	s.release("2", "slow-start") // each start takes a second, one after the other
	s.Systemctl("reload", "web.service")
	s.awaitStatus("6 of 6 workers serve generation 2")
}

// TestInstall: a real systemd accepts what install writes, and install removes all of it.
func TestInstall(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "workers = 1\n")
	unit := s.Path("/etc/systemd/system/web.service")
	socket := s.Path("/etc/systemd/system/web.socket")
	configuration := s.Dir + "/relevo.toml"
	step := func(code int, want string, args ...string) {
		t.Helper()
		got, out := s.relevo(args...)
		if got != code || !strings.Contains(out, want) {
			t.Errorf("relevo %q: exit code %d, want %d with %q:\n%s", args, got, code, want, out)
		}
	}
	step(0, "unchanged /etc/systemd/system/web.service", "install", "-c", configuration)
	step(0, "would write /etc/systemd/system/web.socket", "install", "-c", configuration, "--socket", "--dry-run")
	if _, err := os.Stat(socket); err == nil {
		t.Error("a dry run wrote a unit")
	}
	step(0, "next: systemctl enable --now web.service web.socket", "install", "-c", configuration, "--socket")
	step(0, "", "install", "-c", configuration, "--socket", "--now")
	if got := s.Show("web.socket", "ActiveState") + " " + s.Show("web.service", "UnitFileState"); got != "active enabled" {
		t.Errorf("after --now: %s", got)
	}
	if got := s.get("/"); !strings.HasPrefix(got, "version 1 ") {
		t.Errorf("answer %q", got)
	}
	step(1, "cannot delete web: systemd runs it as web.service; systemctl disable --now web.service", "delete", "web")
	step(1, "cannot start web: it runs already", "start", configuration)
	step(0, "removed /etc/systemd/system/web.socket", "install", "-c", configuration, "--now")
	before := s.Processes("web.service")
	step(0, "would remove /etc/systemd/system/web.service", "uninstall", "web", "--dry-run")
	step(0, "removed /etc/systemd/system/web.service", "uninstall", "web", "--now")
	for _, path := range []string{unit, socket, s.Path("/etc/systemd/system/multi-user.target.wants/web.service")} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s still exists", filepath.Base(path))
		}
	}
	for _, pid := range before {
		if syscall.Kill(pid, 0) == nil {
			t.Errorf("process %d is left", pid)
		}
	}
	step(1, "relevo has written no unit of that name", "uninstall", "web")
	// Another user's unit.
	if err := os.WriteFile(unit, []byte("[Service]\nExecStart=/bin/true\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	step(1, "was not written by relevo", "install", "-c", configuration)
	step(1, "relevo has written no unit of that name", "uninstall", "web")
	step(0, "written /etc/systemd/system/web.service", "install", "-c", configuration, "--force")
	// A user who lacks the right to do it.
	out, err := s.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", s.program(), "install", "-c",
		configuration, "other").CombinedOutput()
	if exit := exitCode(err); exit != 4 || !strings.Contains(string(out), "run it as root") {
		t.Errorf("install by the user nobody: exit code %d, want 4:\n%s", exit, out)
	}
}

func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// startBinding installs and starts an app whose program binds its own port.
func (s *unitSite) startBinding(settings string) {
	s.t.Helper()
	text := fmt.Sprintf("name = \"web\"\ncommand = [\"./app\", %q]\nlisten = [\"web=%s\"]\nwatch_binary = false\n%s",
		s.address, s.address, settings)
	if err := os.WriteFile(filepath.Join(s.Dir, "relevo.toml"), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	if code, said := s.relevo("install", "-c", s.Dir+"/relevo.toml"); code != 0 {
		s.t.Fatalf("install: %d %s", code, said)
	}
	s.release("1", "binds")
	s.Systemctl("start", "web.service")
}

// murders kills the master again and again. The same workers serve on each time.
func (s *unitSite) murders(workers int) {
	s.t.Helper()
	before := s.settled(workers)
	for range *upheavals {
		s.murder()
		if after := s.settled(workers); !slices.Equal(before, after) {
			s.t.Errorf("pids %v serve, before: %v\n%s", after, before, s.Journal("web.service"))
		}
	}
}

// TestUnitCaptures: a program that binds its own port gets the master's socket under the unit, too,
// as root and as another user, before and after its master was killed.
func TestUnitCaptures(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for name, limits := range map[string]string{"root": "", "another user": "[limits]\nuser = \"nobody\"\n"} {
		t.Run(name, func(t *testing.T) {
			s := newUnitSite(t, "")
			s.startBinding("workers = 2\n" + limits)
			s.settled(2)
			load := startLoad(s.address)
			s.murders(2)
			bindLate(t, s.address)
			s.release("2", "binds")
			s.Systemctl("reload", "web.service")
			if got := s.get("/"); !strings.HasPrefix(got, "version 2 ") {
				t.Errorf("answer %q", got)
			}
			s.settled(2)
			bindLate(t, s.address)
			endLoad(t, load)
			for _, warning := range []string{"level=WARN", "level=ERROR", "not permitted"} {
				if log := s.Journal("web.service"); strings.Contains(log, warning) {
					t.Errorf("%s in the journal:\n%s", warning, log)
				}
			}
			s.Systemctl("stop", "web.service")
		})
	}
}
