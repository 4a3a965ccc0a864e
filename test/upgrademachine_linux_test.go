package test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"relevo/internal/control"
	"relevo/internal/testreq"
)

// TestUpgradeMachine: a package has replaced the program of two masters, whose sockets are in
// different directories, as if of two users. Both become the new program and keep their workers; a
// master of another program is left alone.
func TestUpgradeMachine(t *testing.T) {
	t.Parallel()
	s := newSite(t, "-n", "2")
	workers := s.settled(2)
	second := beside(t, s.program)
	other := beside(t, "") // a program of its own
	if err := copyFile(s.program, s.program+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.program+".new", s.program); err != nil {
		t.Fatal(err)
	}

	code, out := s.relevo("upgrade", "--machine")
	if code != 0 || strings.Count(out, "site: master replaced by the new pid ") != 2 {
		t.Errorf("exit code %d: %s", code, out)
	}
	for name, site := range map[string]*site{"first": s, "second": second} {
		if got := site.status().Successions; got != 1 {
			t.Errorf("the %s master was replaced %d times", name, got)
		}
	}
	if got := s.settled(2); !slices.Equal(got, workers) {
		t.Errorf("workers %v, before %v", got, workers)
	}
	if got := other.status().Successions; got != 0 {
		t.Errorf("the master of another program was replaced %d times", got)
	}

	code, out = s.relevo("upgrade", "--machine", "--json")
	if code != 0 || strings.Count(out, `"name": "site"`) != 2 || !strings.HasPrefix(out, "[") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if code, out = s.relevo("upgrade", "--machine", "site"); code != control.ExitUsage {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// TestUpgradeMachineOfOthers: it tells an ordinary user that other users may have masters.
func TestUpgradeMachineOfOthers(t *testing.T) {
	t.Parallel()
	testreq.Root(t)
	s := newSite(t, "-n", "1")
	s.must(os.Chmod(s.dir, 0o755))
	cmd := s.command("upgrade", "--machine")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Stdout, cmd.Stderr = nil, nil
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "of other users, named "+filepath.Base(s.program)+
		": if they are masters, run this as root") {
		t.Errorf("%v: %s", err, out)
	}
	if got := s.status().Successions; got != 0 {
		t.Errorf("the master was replaced %d times", got)
	}
	if code, out := s.relevo("upgrade", "--machine"); code != 0 || strings.Contains(out, "run this as root") {
		t.Errorf("as root: exit code %d: %s", code, out)
	}
}

// beside starts another master, with a runtime directory of its own. If program is empty, it has a
// program of its own.
func beside(t *testing.T, program string) *site {
	t.Helper()
	s := emptySite(t)
	if program != "" {
		s.program = program
	}
	s.start("run", "--name", "site", "-l", "127.0.0.1:0", "-n", "1", "--", "./app")
	return s
}
