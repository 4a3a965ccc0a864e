package terminal

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/testpty"
)

// tooLong is the time after which a test fails.
const tooLong = 30 * time.Second

// helperEnv makes the test binary run as one of the programs below.
const helperEnv = "RELEVO_TERMINAL_TEST"

func TestMain(m *testing.M) {
	switch os.Getenv(helperEnv) {
	case "":
		os.Exit(m.Run())
	case "guard":
		if err := Guard(os.Stdin); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		program(os.Getenv(helperEnv))
	}
}

// program reads keys and prints what it does. A key decides how it ends.
func program(kind string) {
	o := Options{In: os.Stdin}
	if kind != "unguarded" {
		o.Guard = []string{"guard"}
		os.Setenv(helperEnv, "guard")
	}
	terms := make(chan os.Signal, 1)
	if kind == "handles" {
		signal.Notify(terms, unix.SIGTERM)
	}
	keys, err := Open(o)
	if err != nil {
		fmt.Println("cannot open:", err)
		os.Exit(1)
	}
	defer keys.Close()
	fmt.Println("ready")
	for {
		select {
		case key := <-keys.C():
			fmt.Printf("key %c\n", key)
			switch key {
			case 'q':
				return
			case 'P':
				go panic("as the test wants it")
			}
		case <-terms:
			fmt.Println("terminated")
			return
		}
	}
}

// pty is a pseudoterminal with a program on its other end.
type pty struct {
	*testpty.PTY
	t     *testing.T
	cmd   *exec.Cmd
	ended chan struct{}
}

// startProgram runs a program in a session and a terminal of its own.
func startProgram(t *testing.T, kind string) *pty {
	t.Helper()
	p := &pty{PTY: testpty.Open(t), t: t, cmd: exec.Command("/proc/self/exe"), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), helperEnv+"="+kind)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = p.Slave, p.Slave, p.Slave
	p.cmd.SysProcAttr = testpty.Session()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.cmd.Wait(); close(p.ended) }()
	t.Cleanup(func() { p.cmd.Process.Kill(); <-p.ended })
	p.Await("ready")
	return p
}

func (p *pty) wait() {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(tooLong):
		p.t.Fatal("the program does not end")
	}
}

// TestKeys: keys arrive one by one, without Enter, and are not echoed.
func TestKeys(t *testing.T) {
	p := startProgram(t, "plain")
	p.Mode(true)
	for _, key := range "ab?" {
		p.Type(string(key))
		p.Await("key " + string(key))
	}
	p.Type("\x1b[A") // an arrow
	p.Type("z")
	p.Await("key z")
	if text := p.Text(); text != "ready\nkey a\nkey b\nkey ?\nkey z\n" {
		t.Errorf("shown: %q", text)
	}
	p.Type("q")
	p.wait()
	p.Mode(false)
}

// TestGivenBack: the terminal's mode is restored, however the program ends.
func TestGivenBack(t *testing.T) {
	for name, end := range map[string]func(*pty){
		"by a key":               func(p *pty) { p.Type("q") },
		"SIGTERM, handled":       func(p *pty) { p.cmd.Process.Signal(unix.SIGTERM) },
		"SIGINT by Ctrl-C":       func(p *pty) { p.Type("\x03") },
		"SIGKILL":                func(p *pty) { p.cmd.Process.Kill() },
		"SIGQUIT":                func(p *pty) { p.cmd.Process.Signal(unix.SIGQUIT) },
		"a panic in a goroutine": func(p *pty) { p.Type("P") },
	} {
		t.Run(name, func(t *testing.T) {
			p := startProgram(t, "handles")
			p.Mode(true)
			end(p)
			p.wait()
			p.Mode(false)
		})
	}
}

// TestGuardIsNeeded shows that the test above can fail.
func TestGuardIsNeeded(t *testing.T) {
	p := startProgram(t, "unguarded")
	p.Mode(true)
	p.cmd.Process.Kill()
	p.wait()
	p.Mode(true)
}

// TestSuspend: while the program is stopped, the terminal is in the shell's mode.
func TestSuspend(t *testing.T) {
	p := startProgram(t, "plain")
	for range 3 {
		p.Mode(true)
		p.cmd.Process.Signal(unix.SIGTSTP)
		p.Mode(false)
		p.stopped()
		p.cmd.Process.Signal(unix.SIGCONT)
		p.Mode(true)
	}
	p.Type("k")
	p.Await("key k")
	p.Type("q")
	p.wait()
}

// stopped waits until the kernel has stopped the program.
func (p *pty) stopped() {
	p.t.Helper()
	giveUp := time.Now().Add(tooLong)
	for {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		if err != nil {
			p.t.Fatal(err)
		}
		if _, after, _ := strings.Cut(string(text), ") "); strings.HasPrefix(after, "T") {
			return
		}
		if time.Now().After(giveUp) {
			p.t.Fatal("the program is not stopped")
		}
		time.Sleep(time.Millisecond)
	}
}

// TestOthersMode: a mode that another program has set is left alone.
func TestOthersMode(t *testing.T) {
	p := startProgram(t, "plain")
	p.Mode(true)
	mode, err := unix.IoctlGetTermios(int(p.Slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	mode.Cc[unix.VMIN] = 7
	if err := unix.IoctlSetTermios(int(p.Slave.Fd()), unix.TCSETS, mode); err != nil {
		t.Fatal(err)
	}
	guard := p.guard()
	p.cmd.Process.Kill()
	p.wait()
	awaitEnd(t, guard)
	p.Mode(true)
}

// guard returns a pidfd of the program's guard, the other process of its session. It is not the pid, because /proc
// lists a process that has ended until init reaps it.
func (p *pty) guard() int {
	p.t.Helper()
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		text, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		_, after, ok := strings.Cut(string(text), ") ")
		fields := strings.Fields(after)
		session, pid := fmt.Sprint(p.cmd.Process.Pid), e.Name()
		if !ok || len(fields) < 4 || fields[3] != session || pid == session {
			continue
		}
		n, err := strconv.Atoi(pid)
		if err != nil {
			continue // self, say
		}
		fd, err := unix.PidfdOpen(n, 0)
		if err != nil {
			p.t.Fatal(err)
		}
		p.t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	p.t.Fatal("the program has no guard")
	return -1
}

// awaitEnd waits for the end of the process of a pidfd.
func awaitEnd(t *testing.T, pidfd int) {
	t.Helper()
	for giveUp := time.Now().Add(tooLong); ; {
		left := time.Until(giveUp)
		if left <= 0 {
			t.Fatal("the guard stays")
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if n > 0 {
			return
		}
		if err != nil && err != unix.EINTR {
			t.Fatal(err)
		}
	}
}

// TestNoTerminal: a file that is no terminal is refused.
func TestNoTerminal(t *testing.T) {
	file, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := Open(Options{In: file}); err != ErrNoTerminal {
		t.Errorf("Open: %v", err)
	}
}
