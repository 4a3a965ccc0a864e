package test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"relevo/internal/systemdbox"
	"relevo/internal/testport"
)

// unitSite is an app that a real systemd runs from the units that relevo makes.
type unitSite struct {
	*systemdbox.Box
	t       *testing.T
	address string // of the listener
}

// newUnitSite boots a systemd, puts release 1 and relevo in its shared directory, and installs the
// app. configuration is what relevo.toml has beside its name, command and listener.
func newUnitSite(t *testing.T, configuration string, install ...string) *unitSite {
	t.Helper()
	s := bootSite(t, configuration)
	if code, out := s.relevo(append([]string{"install", "-c", s.Dir + "/relevo.toml"}, install...)...); code != 0 {
		t.Fatalf("install: exit code %d: %s", code, out)
	}
	return s
}

// bootSite boots a systemd, and puts release 1, relevo and a relevo.toml in its shared directory.
func bootSite(t *testing.T, configuration string) *unitSite {
	t.Helper()
	s := &unitSite{Box: systemdbox.Start(t, nil), t: t, address: testport.Address(t)}
	s.release("1", "serve")
	self, err := os.Executable()
	if err == nil {
		err = copyFile(self, s.program())
	}
	if err != nil {
		t.Fatal(err)
	}
	s.configure(configuration)
	return s
}

func (s *unitSite) program() string { return filepath.Join(s.Dir, "relevo") }

func (s *unitSite) configure(configuration string) {
	s.t.Helper()
	text := fmt.Sprintf("name = \"web\"\ncommand = [\"./app\"]\nlisten = [\"web=%s\"]\n%s", s.address, configuration)
	if err := os.WriteFile(filepath.Join(s.Dir, "relevo.toml"), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *unitSite) release(version, behaviour string) {
	s.t.Helper()
	if err := writeRelease(filepath.Join(s.Dir, "app"), version, behaviour); err != nil {
		s.t.Fatal(err)
	}
}

// relevo runs a command of relevo inside the box.
func (s *unitSite) relevo(args ...string) (code int, said string) {
	s.t.Helper()
	cmd := s.Command(s.program(), args...)
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		s.t.Fatalf("relevo %q did not start: %s", args, out)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// systemctl runs a command that may fail. It must not hang.
func (s *unitSite) systemctl(args ...string) (code int, said string) {
	s.t.Helper()
	cmd := s.Command("systemctl", args...)
	ended := time.AfterFunc(tooLong, func() { cmd.Process.Kill() })
	defer ended.Stop()
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState == nil || !cmd.ProcessState.Exited() {
		s.t.Fatalf("systemctl %q hung: %s", args, out)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func (s *unitSite) get(path string) string {
	s.t.Helper()
	body, err := fetch(s.address, path)
	if err != nil {
		s.t.Fatal(err)
	}
	return body
}

// awaitStatus waits until the status line of systemctl status contains this.
func (s *unitSite) awaitStatus(part string) {
	s.t.Helper()
	s.Await(part, func() bool { return strings.Contains(s.Show("web.service", "StatusText"), part) })
}

// gone reports whether the unit's cgroup is empty, and these processes have ended.
func (s *unitSite) gone(pids []int) {
	s.t.Helper()
	if left := s.Processes("web.service"); len(left) > 0 {
		s.t.Errorf("processes %v are still in the cgroup", left)
	}
	for _, pid := range pids {
		if syscall.Kill(pid, 0) == nil {
			s.t.Errorf("process %d still exists", pid)
		}
	}
}

// master returns the pid of the main process outside of the box.
func (s *unitSite) master() int {
	s.t.Helper()
	pid := s.mainProcess()
	if pid == 0 {
		s.t.Fatal("there is no main process in the cgroup")
	}
	return pid
}

// mainProcess returns the pid of the main process inside the box, 0 if there is none.
func (s *unitSite) mainProcess() int {
	s.t.Helper()
	inside := s.Show("web.service", "MainPID")
	for _, pid := range s.Processes("web.service") {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 0 && f[0] == "NSpid:" && f[len(f)-1] == inside {
				return pid
			}
		}
	}
	return 0
}

// ask sends a request and returns when a worker has accepted it. The channel gets the result.
func (s *unitSite) ask(path string) <-chan error {
	s.t.Helper()
	r, err := http.Get("http://" + s.address + path)
	if err != nil {
		s.t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err == nil && string(body) != "done\n" {
			err = fmt.Errorf("answer %q", body)
		}
		answered <- err
	}()
	return answered
}

// override overrides settings of [Service], as systemctl edit does.
func (s *unitSite) override(lines string) {
	s.t.Helper()
	dir := s.Path("/etc/systemd/system/web.service.d")
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "override.conf"), []byte("[Service]\n"+lines+"\n"), 0o644)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.Systemctl("daemon-reload")
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
