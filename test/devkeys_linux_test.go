package test

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"relevo/internal/testpty"
)

// onTerminal starts `relevo dev` in a session of its own with a terminal.
func (s *devSite) onTerminal(args ...string) *testpty.PTY {
	s.t.Helper()
	terminal := testpty.Open(s.t)
	s.master = exec.Command(s.program, append([]string{"dev", "--name", "site", "-l", "127.0.0.1:0"}, args...)...)
	s.master.Dir, s.master.Env = s.src, append(s.env, "PWD="+s.src, "TERM=xterm", "NO_COLOR=1")
	s.master.Stdin, s.master.Stdout, s.master.Stderr = terminal.Slave, terminal.Slave, terminal.Slave
	s.master.SysProcAttr = testpty.Session()
	s.begin()
	return terminal
}

// TestDevKeys: every key does what the help says.
func TestDevKeys(t *testing.T) {
	t.Parallel()
	s := newDevSite(t, map[string]string{"go.mod": devModule, "main.go": goServer("one", "")})
	terminal := s.onTerminal()
	s.serves("one")
	terminal.Await("▸ started")
	terminal.Mode(true)
	terminal.Type("?")
	terminal.Await("l  go back to the last good release")
	terminal.Type("s")
	terminal.Await("▸ site running · generation 1 · 1 of 1 worker serve")
	terminal.Type("r")
	s.await("a roll", func() bool { return s.status().Generation == 2 })
	terminal.Await("▸ started → ready")

	terminal.Type("l")
	terminal.Await("▸ cannot roll back: no other good release of this program is kept")
	if warnings := s.status().Warnings; len(warnings) != 0 {
		t.Errorf("a key without an effect made the status warn of %q", warnings)
	}

	terminal.Type("p")
	terminal.Await("▸ paused")
	s.save("main.go", goServer("two", ""))
	terminal.Type("s")
	terminal.Await("paused, ")
	if got := s.get(); got != "one" {
		t.Errorf("while paused %s is served", got)
	}
	s.await("the save to be noticed", func() bool {
		terminal.Type("s")
		return strings.Contains(terminal.Text(), "paused, 1 file waits")
	})
	terminal.Type("p")
	s.serves("two")
	terminal.Await("▸ saved main.go")

	terminal.Type("l")
	s.serves("one")
	terminal.Await("▸ back to the last good release")
	terminal.Type("b")
	s.serves("two")
	terminal.Type("q")
	<-s.ended
	terminal.Mode(false)
	if code := s.master.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestDevTerminal: the terminal is restored, however relevo ends.
func TestDevTerminal(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*devSite, *testpty.PTY){
		"SIGTERM":           func(s *devSite, _ *testpty.PTY) { s.master.Process.Signal(syscall.SIGTERM) },
		"Ctrl-C":            func(_ *devSite, p *testpty.PTY) { p.Type("\x03") },
		"SIGKILL":           func(s *devSite, _ *testpty.PTY) { s.master.Process.Kill() },
		"a crash (SIGABRT)": func(s *devSite, _ *testpty.PTY) { s.master.Process.Signal(syscall.SIGABRT) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newDevSite(t,
				map[string]string{"go.mod": devModule, "main.go": "package main\n\nfunc main() { undefined() }\n"})
			terminal := s.onTerminal()
			terminal.Await("nothing serves yet")
			terminal.Mode(true)
			end(s, terminal)
			<-s.ended
			terminal.Mode(false)
		})
	}
}
