package terminal

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tooLong is when a test gives up.
const tooLong = 30 * time.Second

// helperEnv makes the test binary one of the programs below.
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

// program reads keys and says what it does. How it ends is told by a key.
func program(kind string) {
	o := Options{In: os.Stdin}
	if kind != "unguarded" {
		o.Guard = []string{"/proc/self/exe"}
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

// pty is a pseudoterminal and the program at its other end.
type pty struct {
	t       *testing.T
	master  *os.File
	slave   *os.File
	cmd     *exec.Cmd
	ended   chan struct{}
	lines   chan string
	pending []string
}

// startProgram runs a program in a session of its own whose terminal is new.
func startProgram(t *testing.T, kind string) *pty {
	t.Helper()
	p := openPTY(t)
	p.cmd = exec.Command("/proc/self/exe")
	p.cmd.Env = append(os.Environ(), helperEnv+"="+kind)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = p.slave, p.slave, p.slave
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.ended = make(chan struct{})
	go func() { p.cmd.Wait(); close(p.ended) }()
	t.Cleanup(func() { p.cmd.Process.Kill(); <-p.ended })
	p.await("ready")
	return p
}

func openPTY(t *testing.T) *pty {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	p := &pty{t: t, master: os.NewFile(uintptr(fd), "ptmx"), lines: make(chan string, 1000)}
	slave, err := unix.Open(fmt.Sprintf("/dev/pts/%d", number), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	p.slave = os.NewFile(uintptr(slave), "pts")
	go func() {
		defer close(p.lines)
		for scanner := bufio.NewScanner(p.master); scanner.Scan(); {
			p.lines <- strings.TrimRight(scanner.Text(), "\r")
		}
	}()
	t.Cleanup(func() { p.slave.Close(); p.master.Close() })
	return p
}

func (p *pty) typeKeys(keys string) {
	p.t.Helper()
	if _, err := io.WriteString(p.master, keys); err != nil {
		p.t.Fatal(err)
	}
}

// await reads lines until one is exactly this.
func (p *pty) await(line string) {
	p.t.Helper()
	giveUp := time.After(tooLong)
	for {
		select {
		case got, open := <-p.lines:
			if !open {
				p.t.Fatalf("the terminal ended before %q; it had %q", line, p.pending)
			}
			if got == line {
				return
			}
			p.pending = append(p.pending, got)
		case <-giveUp:
			p.t.Fatalf("no line %q; there were %q", line, p.pending)
		}
	}
}

// mode waits until the terminal is in cbreak mode, or in its usual one.
func (p *pty) mode(cbreak bool) {
	p.t.Helper()
	giveUp := time.Now().Add(tooLong)
	for {
		mode, err := unix.IoctlGetTermios(int(p.slave.Fd()), unix.TCGETS)
		if err != nil {
			p.t.Fatal(err)
		}
		usual := mode.Lflag&unix.ICANON != 0 && mode.Lflag&unix.ECHO != 0
		if usual != cbreak {
			return
		}
		if time.Now().After(giveUp) {
			p.t.Fatalf("cbreak mode wanted: %t; flags %#o", cbreak, mode.Lflag)
		}
		time.Sleep(time.Millisecond)
	}
}

func (p *pty) wait() {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(tooLong):
		p.t.Fatal("the program does not end")
	}
}

// TestKeys: they come one by one, without Enter, and are not shown.
func TestKeys(t *testing.T) {
	p := startProgram(t, "plain")
	p.mode(true)
	for _, key := range "ab?" {
		p.typeKeys(string(key))
		p.await("key " + string(key))
	}
	p.typeKeys("\x1b[A") // an arrow
	p.typeKeys("z")
	p.await("key z")
	for _, line := range p.pending {
		t.Errorf("shown: %q", line)
	}
	p.typeKeys("q")
	p.wait()
	p.mode(false)
}

// TestGivenBack: the terminal is as it was, however the program ends.
func TestGivenBack(t *testing.T) {
	for name, end := range map[string]func(*pty){
		"by a key":               func(p *pty) { p.typeKeys("q") },
		"SIGTERM, handled":       func(p *pty) { p.cmd.Process.Signal(unix.SIGTERM) },
		"SIGINT by Ctrl-C":       func(p *pty) { p.typeKeys("\x03") },
		"SIGKILL":                func(p *pty) { p.cmd.Process.Kill() },
		"SIGQUIT":                func(p *pty) { p.cmd.Process.Signal(unix.SIGQUIT) },
		"a panic in a goroutine": func(p *pty) { p.typeKeys("P") },
	} {
		t.Run(name, func(t *testing.T) {
			p := startProgram(t, "handles")
			p.mode(true)
			end(p)
			p.wait()
			p.mode(false)
		})
	}
}

// TestGuardIsNeeded shows that the test above can fail.
func TestGuardIsNeeded(t *testing.T) {
	p := startProgram(t, "unguarded")
	p.mode(true)
	p.cmd.Process.Kill()
	p.wait()
	p.mode(true)
}

// TestSuspend: while the program is stopped the terminal is the shell's.
func TestSuspend(t *testing.T) {
	p := startProgram(t, "plain")
	for range 3 {
		p.mode(true)
		p.cmd.Process.Signal(unix.SIGTSTP)
		p.mode(false)
		p.stopped()
		p.cmd.Process.Signal(unix.SIGCONT)
		p.mode(true)
	}
	p.typeKeys("k")
	p.await("key k")
	p.typeKeys("q")
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

// TestOthersMode: a mode that somebody else has set is left alone.
func TestOthersMode(t *testing.T) {
	p := startProgram(t, "plain")
	p.mode(true)
	mode, err := unix.IoctlGetTermios(int(p.slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	mode.Cc[unix.VMIN] = 7
	if err := unix.IoctlSetTermios(int(p.slave.Fd()), unix.TCSETS, mode); err != nil {
		t.Fatal(err)
	}
	p.cmd.Process.Kill()
	p.wait()
	p.guardGone()
	p.mode(true)
}

// guardGone waits until nobody else is left in the program's session.
func (p *pty) guardGone() {
	p.t.Helper()
	giveUp := time.Now().Add(tooLong)
	for sessionHas(p.cmd.Process.Pid) {
		if time.Now().After(giveUp) {
			p.t.Fatal("the guard stays")
		}
		time.Sleep(time.Millisecond)
	}
}

func sessionHas(session int) bool {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		text, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		_, after, ok := strings.Cut(string(text), ") ")
		fields := strings.Fields(after)
		if ok && len(fields) > 3 && fields[3] == fmt.Sprint(session) {
			return true
		}
	}
	return false
}

// TestNoTerminal: a file that is none is refused.
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
