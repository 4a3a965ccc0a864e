package test

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"relevo/internal/testpty"
	"relevo/internal/testreq"
)

// atTerminal runs a command line in a session with a terminal of its own, and waits until the master
// serves. The test ends when all processes of the terminal have ended.
func atTerminal(t *testing.T, shell []string, line string) (*site, *testpty.PTY) {
	t.Helper()
	s, terminal := emptySite(t), testpty.Open(t)
	run := s.program + " run --name site -l 127.0.0.1:0 -n 1 --watch-binary=false"
	line = strings.NewReplacer("RUN", run, "APP", "-- ./app", "DEV",
		s.program+" dev --name site -l 127.0.0.1:0 --watch '*.none'").Replace(line)
	s.master = exec.Command(shell[0], append(shell[1:], line)...)
	if shell[len(shell)-1] == "-i" {
		s.master = exec.Command(shell[0], shell[1:]...)
	}
	s.master.Dir, s.master.Env = s.dir, append(s.env, "TERM=xterm", "HISTFILE=", "PS1=$ ")
	s.master.Stdin, s.master.Stdout, s.master.Stderr = terminal.Slave, terminal.Slave, terminal.Slave
	s.master.SysProcAttr = testpty.Session()
	s.begin()
	if shell[len(shell)-1] == "-i" {
		terminal.Type(line + "\n")
	}
	s.serves()
	return s, terminal
}

// generation waits for a generation to serve.
func (s *site) generation(n int) {
	s.t.Helper()
	s.await(fmt.Sprintf("generation %d", n), func() bool {
		status := s.status()
		return status.State == "running" && status.Generation == n && len(status.Workers) == 1 &&
			status.Workers[0].State == "serving"
	})
}

// gone waits until no master answers any more.
func (s *site) gone() {
	s.t.Helper()
	s.await("the end of the master", func() bool { code, _ := s.relevo("status", "site"); return code == 3 })
}

// TestTerminalGone: closing a terminal ends what runs in it, gracefully. While the terminal is
// open, SIGHUP is a reload.
func TestTerminalGone(t *testing.T) {
	t.Parallel()
	testreq.Program(t, "bash")
	if signal.Ignored(syscall.SIGHUP) { // as under nohup: the processes of the test must not inherit that
		heard := make(chan os.Signal, 1)
		signal.Notify(heard, syscall.SIGHUP)
		t.Cleanup(func() { signal.Stop(heard) })
	}
	command, interactive := []string{"bash", "-c"}, []string{"bash", "--norc", "--noprofile", "-i"}
	always := []string{"the leader", "dev, the leader", "no descriptor is it", "a job of a shell", "a job, after an exec"}
	for name, c := range map[string]struct {
		shell   []string
		line    string
		upgrade bool
	}{
		"the leader":                     {command, "exec RUN APP 2>log", false},
		"dev, the leader":                {command, "exec DEV APP 2>log", false},
		"a child of the leader":          {command, "RUN APP 2>log; echo ended", false},
		"only stdout is the terminal":    {command, "exec RUN APP 2>log </dev/null", false},
		"no descriptor is the terminal":  {command, "RUN APP >log 2>&1 </dev/null; echo ended", false},
		"in the foreground of a shell":   {interactive, "RUN APP 2>log", false},
		"a job of a shell":               {interactive, "RUN APP >log 2>&1 </dev/null &", false},
		"dev, a job of a shell":          {interactive, "DEV APP >log 2>&1 </dev/null &", false},
		"the leader, after an exec":      {command, "exec RUN --upgrade exec APP 2>log", true},
		"a job, after an exec":           {interactive, "RUN --upgrade exec APP >log 2>&1 </dev/null &", true},
		"a shell that hangs up its jobs": {interactive, "shopt -s huponexit; RUN APP >log 2>&1 </dev/null &", false},
	} {
		t.Run(name, func(t *testing.T) {
			takesLongUnless(t, slices.Contains(always, name))
			t.Parallel()
			s, terminal := atTerminal(t, c.shell, c.line)
			pid := s.status().PID
			if c.upgrade {
				s.upgrade()
			}
			s.generation(1)
			if !strings.Contains(c.line, "DEV") {
				syscall.Kill(pid, syscall.SIGHUP)
				s.generation(2)
			}
			terminal.HangUp()
			s.gone()
			if log, err := os.ReadFile(filepath.Join(s.dir, "log")); err != nil || strings.Contains(string(log), "by force") ||
				strings.Contains(string(log), "panic: ") {
				t.Errorf("the log: %v\n%s", err, log)
			}
		})
	}
}

// TestTerminalOutlived: nohup and setsid keep a master alive, and SIGHUP stays a reload.
func TestTerminalOutlived(t *testing.T) {
	t.Parallel()
	testreq.Program(t, "bash")
	interactive := []string{"bash", "--norc", "--noprofile", "-i"}
	for name, line := range map[string]string{
		"nohup":                    "nohup RUN APP >log 2>&1 </dev/null &",
		"nohup, after an exec":     "nohup RUN --upgrade exec APP >log 2>&1 </dev/null &",
		"setsid":                   "setsid RUN APP",
		"setsid in the background": "setsid RUN APP >log 2>&1 </dev/null &",
	} {
		t.Run(name, func(t *testing.T) {
			takesLongUnless(t, name == "nohup" || name == "setsid")
			t.Parallel()
			s, terminal := atTerminal(t, interactive, line)
			pid := s.status().PID
			if strings.Contains(line, "exec") {
				s.upgrade()
			}
			s.generation(1)
			terminal.HangUp()
			<-s.ended // the shell
			for s.status().Generation == 1 {
				syscall.Kill(pid, syscall.SIGHUP) // the first signals may still be due to the terminal
				pause(2 * time.Second)            // so as not to request endless rolls
			}
			if code, said := s.relevo("stop", "site"); code != 0 {
				t.Errorf("%d %s", code, said)
			}
		})
	}
}
