//go:build linux || darwin

package terminal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Options are the settings of Open.
type Options struct {
	In *os.File // the terminal
	// Guard is the command line, with the program's name first, that makes this program call the
	// function Guard; nil: there is no guard.
	Guard []string
}

// Keys delivers the keystrokes at a terminal.
type Keys struct {
	in     *os.File
	keys   chan byte // closed by read when no more can arrive
	wake   [2]*os.File
	guard  *exec.Cmd
	pipe   io.WriteCloser // to the guard
	saved  unix.Termios
	cbreak unix.Termios
	done   chan struct{}
	gone   sync.WaitGroup

	mu  sync.Mutex
	set bool // the terminal is in our mode
}

// ErrNoTerminal is returned by Open for a file that is no terminal.
var ErrNoTerminal = errors.New("terminal: not a terminal")

// Open starts to read keys. The caller must call Close.
func Open(o Options) (*Keys, error) {
	if !term.IsTerminal(int(o.In.Fd())) {
		return nil, ErrNoTerminal
	}
	saved, err := unix.IoctlGetTermios(int(o.In.Fd()), getTermios)
	if err != nil {
		return nil, fmt.Errorf("cannot read the mode of the terminal: %w", err)
	}
	k := &Keys{in: o.In, keys: make(chan byte), saved: *saved, cbreak: cbreakOf(*saved), done: make(chan struct{})}
	if k.wake[0], k.wake[1], err = os.Pipe(); err != nil {
		return nil, fmt.Errorf("cannot read keys: %w", err)
	}
	if o.Guard != nil {
		if err := k.startGuard(o.Guard); err != nil {
			k.wake[0].Close()
			k.wake[1].Close()
			return nil, err
		}
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGTSTP, unix.SIGCONT)
	k.enter()
	k.gone.Go(k.read)
	k.gone.Go(func() { defer signal.Stop(signals); k.suspend(signals) })
	return k, nil
}

// cbreakOf is the mode without line editing and without echo.
func cbreakOf(mode unix.Termios) unix.Termios {
	mode.Lflag &^= unix.ICANON | unix.ECHO
	mode.Cc[unix.VMIN], mode.Cc[unix.VTIME] = 1, 0
	return mode
}

// C returns the channel of keys.
func (k *Keys) C() <-chan byte { return k.keys }

// Close restores the mode and ends the guard.
func (k *Keys) Close() {
	close(k.done)
	k.wake[1].Close()
	k.gone.Wait()
	k.leave()
	k.wake[0].Close()
	if k.guard != nil {
		k.pipe.Write([]byte(orderly)) // tells the guard that nothing is left to do
		k.pipe.Close()
		k.guard.Wait()
	}
}

// enter sets the mode, unless the program is in the background.
func (k *Keys) enter() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.set && k.foreground() {
		k.set = unix.IoctlSetTermios(int(k.in.Fd()), setTermios, &k.cbreak) == nil
	}
}

func (k *Keys) leave() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.set && k.foreground() {
		unix.IoctlSetTermios(int(k.in.Fd()), setTermios, &k.saved)
	}
	k.set = false
}

// foreground says whether this program is in the terminal's foreground. Elsewhere the kernel would
// stop it for reading or for setting the mode.
func (k *Keys) foreground() bool {
	group, err := unix.IoctlGetInt(int(k.in.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// suspend restores the terminal while the program is stopped.
func (k *Keys) suspend(signals <-chan os.Signal) {
	for {
		select {
		case <-k.done:
			return
		case sig := <-signals:
			if sig == unix.SIGCONT {
				k.enter()
				continue
			}
			k.leave()
			unix.Kill(os.Getpid(), unix.SIGSTOP)
		}
	}
}

// backgroundPause is how often a program in the background checks whether it is in the foreground
// again.
const backgroundPause = 500 * time.Millisecond

func (k *Keys) read() {
	defer close(k.keys)
	buffer := make([]byte, 64)
	for {
		fds := []unix.PollFd{{Fd: int32(k.wake[0].Fd()), Events: unix.POLLIN}, {Fd: int32(k.in.Fd()), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return
		}
		if fds[0].Revents != 0 {
			return
		}
		if fds[1].Revents == 0 {
			continue
		}
		if fds[1].Revents&(unix.POLLHUP|unix.POLLNVAL) != 0 {
			return // the terminal is gone
		}
		if !k.foreground() { // the keys are for another program
			unix.Poll(fds[:1], int(backgroundPause.Milliseconds()))
			continue
		}
		n, err := unix.Read(int(k.in.Fd()), buffer)
		if err == unix.EINTR || err == unix.EAGAIN {
			continue
		}
		if err != nil || n <= 0 {
			return // the terminal is gone
		}
		if !k.pass(buffer[:n]) {
			return
		}
	}
}

// pass delivers keys, and drops the sequences that special keys send.
func (k *Keys) pass(typed []byte) bool {
	for len(typed) > 0 {
		if n := sequence(typed); n > 0 {
			typed = typed[n:]
			continue
		}
		select {
		case k.keys <- typed[0]:
		case <-k.done:
			return false
		}
		typed = typed[1:]
	}
	return true
}

// sequence returns the length of the escape sequence (ECMA-48) at the start of text.
func sequence(text []byte) int {
	if text[0] != 0x1b {
		return 0
	}
	if len(text) < 2 || text[1] != '[' {
		return min(len(text), 3) // SS3 and a letter, or Alt and a key
	}
	for i, b := range text[2:] {
		if b >= 0x40 && b <= 0x7e {
			return i + 3
		}
	}
	return len(text)
}

// orderly is sent to the guard if the mode was restored already.
const orderly = "x"

// modes is what the guard needs to restore the terminal.
type modes struct{ Saved, Ours unix.Termios }

func (k *Keys) startGuard(command []string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot guard the terminal: %w", err)
	}
	k.guard = &exec.Cmd{Path: self, Args: command}
	k.guard.ExtraFiles = []*os.File{k.in}
	// Ctrl-C and Ctrl-Z must not reach the guard.
	k.guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if k.pipe, err = k.guard.StdinPipe(); err == nil {
		err = k.guard.Start()
	}
	if err == nil {
		err = json.NewEncoder(k.pipe).Encode(modes{k.saved, k.cbreak})
	}
	if err != nil {
		return fmt.Errorf("cannot guard the terminal: %w", err)
	}
	return nil
}

// Guard waits for the end of the program that started it. Then it restores that program's mode of
// the terminal, if nothing else has changed it. The terminal is descriptor 3.
func Guard(in io.Reader) error {
	// The guard may be a background process when it sets the mode, which the kernel allows only if
	// SIGTTOU is ignored. The other signals may end the program that it guards, and it must outlive
	// that program.
	signal.Ignore(unix.SIGTTOU, unix.SIGINT, unix.SIGHUP, unix.SIGTERM, unix.SIGQUIT)
	var m modes
	decoder := json.NewDecoder(in)
	if err := decoder.Decode(&m); err != nil {
		return fmt.Errorf("cannot guard the terminal: %w", err)
	}
	rest, err := io.ReadAll(io.MultiReader(decoder.Buffered(), in))
	if err != nil || len(rest) > 0 && rest[len(rest)-1] == orderly[0] {
		return err
	}
	const terminal = 3
	now, err := unix.IoctlGetTermios(terminal, getTermios)
	if err != nil || *now != m.Ours {
		return nil // another program has changed the mode
	}
	if err := unix.IoctlSetTermios(terminal, setTermios, &m.Saved); err != nil {
		return fmt.Errorf("cannot take back the mode of the terminal: %w", err)
	}
	return nil
}
