package monit

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/procfs"
	"relevo/internal/testpty"
)

// tooLong is the time after which a test fails.
const tooLong = 60 * time.Second

// helperEnv makes the test binary show a scene on its terminal.
const helperEnv = "RELEVO_MONIT_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(helperEnv) == "" {
		os.Exit(m.Run())
	}
	err := Run(context.Background(), Options{In: os.Stdin, Out: os.Stdout, Env: os.Environ(),
		Source: fragile{&fixed{frame: running()}}, App: "web"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// fragile is a Source that panics at each request.
type fragile struct{ *fixed }

func (fragile) Do(context.Context, Request) (string, error) { panic("as the test wants it") }

// What a terminal is told at the beginning, and what it has to be told at the end: another
// screen, a hidden cursor, mouse and focus reports, pasted text in brackets.
const begins = "\x1b[?1049h"

var ends = []string{"\x1b[?1049l", "\x1b[?25h", "\x1b[?1002l", "\x1b[?1004l", "\x1b[?2004l"}

// prompt is what a shell shows before it reads a line.
const prompt = "shell> "

// shown runs a command on a terminal of its own; in it this test binary is monit.
func shown(t *testing.T, terminal *testpty.PTY, command ...string) (cmd *exec.Cmd, ended chan struct{}) {
	t.Helper()
	terminal.Size(100, 30)
	cmd = exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), helperEnv+"=1", "TERM=xterm-256color", "PS1="+prompt)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal.Slave, terminal.Slave, terminal.Slave
	cmd.SysProcAttr = testpty.Session()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended = make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() { cmd.Process.Kill(); <-ended })
	return cmd, ended
}

// TestGivenBack: the terminal is as before, however monit ends.
func TestGivenBack(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testpty.PTY, *exec.Cmd){
		"q":       func(p *testpty.PTY, _ *exec.Cmd) { p.Type("q") },
		"Ctrl-C":  func(p *testpty.PTY, _ *exec.Cmd) { p.Type("\x03") },
		"SIGINT":  func(_ *testpty.PTY, c *exec.Cmd) { c.Process.Signal(unix.SIGINT) },
		"SIGTERM": func(_ *testpty.PTY, c *exec.Cmd) { c.Process.Signal(unix.SIGTERM) },
		"SIGHUP":  func(_ *testpty.PTY, c *exec.Cmd) { c.Process.Signal(unix.SIGHUP) },
		"SIGQUIT": func(_ *testpty.PTY, c *exec.Cmd) { c.Process.Signal(unix.SIGQUIT) },
		"panic":   func(p *testpty.PTY, _ *exec.Cmd) { p.Type("+") },
		"Ctrl-Z without a shell": func(p *testpty.PTY, _ *exec.Cmd) {
			p.Type("\x1a")
			p.Type("?")
			p.AwaitRaw("any key goes back", 1)
			p.Type("qq")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			terminal := testpty.Open(t)
			before := terminal.Termios()
			cmd, ended := shown(t, terminal, "/proc/self/exe")
			terminal.AwaitRaw("GET /cart/39", 1)
			if terminal.Termios() == before {
				t.Fatal("the terminal is not in raw mode")
			}
			end(terminal, cmd)
			select {
			case <-ended:
			case <-time.After(tooLong):
				t.Fatal("it does not end")
			}
			for _, sequence := range ends {
				terminal.AwaitRaw(sequence, 1)
			}
			if after := terminal.Termios(); after != before {
				t.Errorf("the terminal is %+v, and was %+v", after, before)
			}
			if code := cmd.ProcessState.ExitCode(); code != 0 && name != "panic" || code != 1 && name == "panic" {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// TestHungUp: monit ends with its terminal.
func TestHungUp(t *testing.T) {
	t.Parallel()
	terminal := testpty.Open(t)
	_, ended := shown(t, terminal, "/proc/self/exe")
	terminal.AwaitRaw("GET /cart/39", 1)
	terminal.HangUp()
	select {
	case <-ended:
	case <-time.After(tooLong):
		t.Fatal("it does not end")
	}
}

// TestStopped: Ctrl-Z gives the shell its terminal, and fg takes it again; so does SIGTSTP.
func TestStopped(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	terminal := testpty.Open(t)
	t.Cleanup(func() {
		if raw := terminal.Raw(); t.Failed() {
			t.Logf("the terminal shows at last %q", raw[max(0, len(raw)-300):])
		}
	})
	shell, ended := shown(t, terminal, "sh", "-i", "+o", "emacs") // bash would edit the line in a mode of its own
	terminal.AwaitRaw(prompt, 1)
	terminal.Type("'" + self + "'; echo code $?\n")
	for round := 1; round <= 2; round++ {
		terminal.AwaitRaw(begins, round)
		terminal.Mode(true)
		if round == 1 {
			terminal.Type("\x1a")
		} else {
			signalChild(t, shell.Process.Pid, unix.SIGTSTP)
		}
		terminal.AwaitRaw(prompt, 1+round) // the shell knows that monit has stopped
		terminal.AwaitRaw(ends[0], round)
		terminal.Mode(false)
		terminal.Type("fg\n")
	}
	terminal.AwaitRaw(begins, 3)
	terminal.Mode(true)
	terminal.Type("q")
	terminal.AwaitRaw(prompt, 4)
	terminal.AwaitRaw(ends[0], 3)
	terminal.Mode(false)
	terminal.Type("exit\n")
	select {
	case <-ended:
	case <-time.After(tooLong):
		t.Fatal("the shell does not end")
	}
}

// signalChild sends a signal to what a shell has started.
func signalChild(t *testing.T, shell int, sig unix.Signal) {
	t.Helper()
	children, err := procfs.Of(shell).Children()
	if err != nil || len(children) != 1 {
		t.Fatalf("the shell has the children %v, %v", children, err)
	}
	if err := unix.Kill(children[0], sig); err != nil {
		t.Fatal(err)
	}
}
