package test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// newStartedSite boots a systemd and starts the app in the background there, in the cgroup of a
// session.
func newStartedSite(t *testing.T, configuration string) *unitSite {
	t.Helper()
	s := bootSite(t, configuration)
	s.start(0, "web serves on "+s.address, s.Dir+"/relevo.toml")
	return s
}

// start runs relevo start as the shell of a session does.
func (s *unitSite) start(code int, want string, args ...string) {
	s.t.Helper()
	cmd := s.Command("systemd-run", append([]string{"--scope", "--quiet", "--setenv=TOKEN=a \"b\" $c %d",
		s.program(), "start"}, args...)...)
	out, err := cmd.CombinedOutput()
	if exitCode(err) != code || !strings.Contains(string(out), want) {
		s.t.Fatalf("relevo start %q: %v, want %d with %q:\n%s", args, err, code, want, out)
	}
}

// step runs relevo and checks its exit code and its output.
func (s *unitSite) step(code int, want string, args ...string) {
	s.t.Helper()
	got, out := s.relevo(args...)
	if got != code || !strings.Contains(out, want) {
		s.t.Fatalf("relevo %q: exit code %d, want %d with %q:\n%s", args, got, code, want, out)
	}
}

// cgroupsOf returns the cgroups of processes, given by their pids in the box.
func (s *unitSite) cgroupsOf(pids []int) (all []string) {
	s.t.Helper()
	for _, pid := range pids {
		text, err := os.ReadFile(s.Path(fmt.Sprintf("/proc/%d/cgroup", pid)))
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, strings.TrimSpace(string(text)))
	}
	return all
}

// TestStartup: under load an app moves from the background to a unit of systemd. The same workers
// keep serving, each in a cgroup of the unit. A kill of the new master, a reload, and the move back
// lose no request, either.
func TestStartup(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newStartedSite(t, "workers = 2\nwatch_binary = false\n")
	before := s.settled(2)
	load := startLoad(s.address)
	s.step(0, "web starts at boot: /etc/systemd/system/web.service; systemd runs it now, and its 2 workers kept running",
		"startup")
	if after := s.settled(2); !slices.Equal(before, after) {
		t.Errorf("workers %v serve, before: %v", after, before)
	}
	for _, cgroup := range s.cgroupsOf(before) {
		if !strings.Contains(cgroup, "/web.service/relevo-web-") {
			t.Errorf("a worker is in %s, want a cgroup of the unit", cgroup)
		}
	}
	state, enabled := s.Show("web.service", "ActiveState"), s.Show("web.service", "UnitFileState")
	if state != "active" || enabled != "enabled" {
		t.Errorf("the unit is %s and %s", state, enabled)
	}
	s.murders(2)
	s.release("2", "serve")
	s.Systemctl("reload", "web.service")
	if got := s.get("/"); !strings.HasPrefix(got, "version 2 ") {
		t.Errorf("after the reload: %q", got)
	}
	if env := s.get("/env"); !strings.Contains(env, "TOKEN=a \"b\" $c %d\n") {
		t.Errorf("a worker that the unit started does not have the variable of the start:\n%s", env)
	}
	s.step(0, "systemd runs it already", "startup", "web")
	s.step(1, "relevo unstartup web", "delete", "web")

	// The move back: the app keeps running, and its master can be upgraded.
	s.step(0, "web does not start at boot any more; it keeps running until it is stopped", "unstartup")
	s.step(0, "", "upgrade", "web")
	s.settled(2)
	if log := s.Journal("web.service"); strings.Contains(log, "level=ERROR") {
		t.Errorf("an error in the journal:\n%s", log)
	}
	endLoad(t, load)
	processes := s.Processes("web.service")
	s.step(0, "web is stopped", "stop", "web")
	s.Await("the service to end", func() bool { return s.Show("web.service", "ActiveState") == "inactive" })
	s.gone(processes)
	s.start(0, "web serves on", "web")
	if got := s.Show("web.service", "ActiveState"); got != "inactive" {
		t.Errorf("relevo start after unstartup started the unit: %s", got)
	}
	s.step(0, "web is deleted", "delete", "web")
	for _, path := range []string{"/etc/systemd/system/web.service", "/run/systemd/system/web.service",
		"/etc/systemd/system/multi-user.target.wants/web.service", "/var/lib/relevo/web/environment"} {
		if _, err := os.Lstat(s.Path(path)); err == nil {
			t.Errorf("%s still exists", filepath.Base(path))
		}
	}
	s.step(1, "cannot set up the boot: no app is remembered; relevo start app.js starts", "startup")
	s.step(0, "no apps\n", "startup", "all")
	s.step(0, "no apps start at boot\n", "unstartup")
}
