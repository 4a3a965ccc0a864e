// Package testpty gives tests a real terminal: a pseudoterminal, its two ends, and
// what is read from it, line by line.
package testpty

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tooLong is when a test gives up.
const tooLong = 60 * time.Second

// PTY is a pseudoterminal.
type PTY struct {
	t      testing.TB
	master *os.File
	// Slave is the end for programs.
	Slave *os.File

	mu  sync.Mutex
	all strings.Builder // what programs wrote
}

// Open makes a pseudoterminal that is closed at the test's end.
func Open(t testing.TB) *PTY {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &PTY{t: t, master: os.NewFile(uintptr(fd), "ptmx")}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := unix.Open(fmt.Sprintf("/dev/pts/%d", number), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	p.Slave = os.NewFile(uintptr(slave), "pts")
	read := make(chan struct{})
	go func() { defer close(read); p.read() }()
	t.Cleanup(func() { p.Slave.Close(); p.master.Close(); <-read })
	return p
}

func (p *PTY) read() {
	for buffer := make([]byte, 4096); ; {
		n, err := p.master.Read(buffer)
		p.mu.Lock()
		p.all.Write(buffer[:n])
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Session has a program start in a session of its own, with the terminal as its controlling terminal.
func Session() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true, Setctty: true} }

// HangUp closes the terminal's window.
func (p *PTY) HangUp() { p.master.Close() }

// Type sends keystrokes.
func (p *PTY) Type(keys string) {
	p.t.Helper()
	if _, err := io.WriteString(p.master, keys); err != nil {
		p.t.Fatal(err)
	}
}

// Text is all whole lines that programs have written so far.
func (p *PTY) Text() string {
	var whole strings.Builder
	for line := range strings.Lines(p.Raw()) {
		if text, ended := strings.CutSuffix(line, "\n"); ended {
			whole.WriteString(strings.TrimRight(text, "\r") + "\n")
		}
	}
	return whole.String()
}

// Raw is all that programs have written so far, unchanged.
func (p *PTY) Raw() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all.String()
}

// AwaitRaw waits until a text was written this many times, even in a line that has not ended.
func (p *PTY) AwaitRaw(text string, times int) {
	p.t.Helper()
	p.until(fmt.Sprintf("%d times %q", times, text), func() bool { return strings.Count(p.Raw(), text) >= times })
}

// Size gives the terminal a size.
func (p *PTY) Size(columns, lines int) {
	p.t.Helper()
	size := &unix.Winsize{Col: uint16(columns), Row: uint16(lines)}
	if err := unix.IoctlSetWinsize(int(p.Slave.Fd()), unix.TIOCSWINSZ, size); err != nil {
		p.t.Fatal(err)
	}
}

// Termios is how the terminal is set.
func (p *PTY) Termios() unix.Termios {
	p.t.Helper()
	mode, err := unix.IoctlGetTermios(int(p.Slave.Fd()), unix.TCGETS)
	if err != nil {
		p.t.Fatal(err)
	}
	return *mode
}

// Await waits until a text was written.
func (p *PTY) Await(text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("%q; there is:\n%s", text, p.Text()), func() bool { return strings.Contains(p.Text(), text) })
}

// Mode waits until the terminal is in cbreak mode, or in its usual one.
func (p *PTY) Mode(cbreak bool) {
	p.t.Helper()
	p.until(fmt.Sprintf("cbreak mode %t", cbreak), func() bool {
		mode := p.Termios()
		usual := mode.Lflag&unix.ICANON != 0 && mode.Lflag&unix.ECHO != 0
		return usual != cbreak
	})
}

func (p *PTY) until(what string, holds func() bool) {
	p.t.Helper()
	for giveUp := time.Now().Add(tooLong); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(giveUp) {
			p.t.Fatalf("waited in vain for %s", what)
		}
	}
}
