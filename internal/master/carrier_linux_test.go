package master

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"relevo/internal/succession"
	"relevo/upgrader"
)

// peer is one end of the talk between two masters of a test: succession.Peer.
type peer struct {
	previous *peer         // nil: this is the first master
	ready    chan struct{} // closed when this master is ready
	yours    chan struct{} // closed when the next master owns everything
	force    bool          // set before yours is closed
}

func newPeer(previous *peer) *peer {
	return &peer{previous: previous, ready: make(chan struct{}), yours: make(chan struct{})}
}

func (p *peer) Ready() error { close(p.ready); return nil }

func (p *peer) AwaitPredecessor(ctx context.Context) (upgrader.LastWord, error) {
	if p.previous == nil {
		return upgrader.LastWord{Confirmed: true}, nil
	}
	select {
	case <-p.previous.yours:
		return upgrader.LastWord{Confirmed: true, Force: p.previous.force}, nil
	case <-ctx.Done():
		return upgrader.LastWord{}, ctx.Err()
	}
}

func (p *peer) Confirm(force bool) error { p.force = force; close(p.yours); return nil }

// inProcess runs the next master in this process: succession.Carrier.
type inProcess struct {
	lives *lives
	way   succession.Way
	peer  *peer // of the master that hands over
}

// Pass returns when the next master is ready. With an exec the next master begins only in Become.
func (c inProcess) Pass(l upgrader.Legacy) (pid int, err error) {
	if c.lives.fails.Load() && c.way != succession.Exec {
		return 0, os.NewSyscallError("fork", syscall.EAGAIN)
	}
	if c.way == succession.Exec {
		return os.Getpid(), nil
	}
	stand := exec.Command("/bin/sleep", "1000")
	if err := stand.Start(); err != nil {
		return 0, err
	}
	c.lives.t.Cleanup(func() { stand.Process.Kill(); stand.Wait() })
	next, err := c.begin(l, newPeer(c.peer))
	if err != nil {
		return 0, err
	}
	c.lives.now.Store(next)
	return stand.Process.Pid, nil
}

// Become does not return if the next master takes over.
func (c inProcess) Become(l upgrader.Legacy, still func() error, _ func() []syscall.Signal) error {
	if err := still(); err != nil {
		return err
	}
	if c.lives.fails.Load() {
		return syscall.ENOEXEC
	}
	next, err := c.begin(l, newPeer(nil))
	if err != nil {
		return err
	}
	c.lives.now.Store(next)
	select {}
}

// begin returns when the next master is ready.
func (c inProcess) begin(l upgrader.Legacy, own *peer) (*living, error) {
	defer c.lives.hide()()
	document := l.Document
	if c.lives.rewrite != nil {
		document = c.lives.rewrite(document)
	}
	left, err := succession.Read(document)
	if err != nil {
		return nil, err
	}
	fds := map[string]int{}
	for name, file := range l.Files {
		if fds[name], err = duplicate(file); err != nil {
			return nil, err
		}
	}
	next := c.lives.begin(own, &succession.Arrival{Flip: own, In: upgrader.NewReceived(fds), Left: left, Way: c.way})
	select {
	case <-own.ready:
		return next, nil
	case err := <-next.ended:
		c.lives.log.refused(err)
		return nil, err
	}
}

// hide removes everything that a first master looks for, until show is called.
func (l *lives) hide() (show func()) {
	if !l.hides {
		return func() {}
	}
	l.writing.Lock()
	away := l.o.App.Dir + ".away"
	if err := os.Rename(l.o.App.Dir, away); err != nil {
		l.t.Error(err)
	}
	l.broken.Store(true)
	return func() {
		l.broken.Store(false)
		if err := os.Rename(away, l.o.App.Dir); err != nil {
			l.t.Error(err)
		}
		l.writing.Unlock()
	}
}

// duplicate does not change the mode of the file; Fd would.
func duplicate(file *os.File) (fd int, err error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return -1, err
	}
	controlErr := raw.Control(func(own uintptr) { fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 3) })
	return fd, errors.Join(controlErr, err)
}

// errorLog keeps the errors that a master reports as its own, and what it logs if it cannot take
// over a legacy.
type errorLog struct {
	slog.Handler
	mu     sync.Mutex
	errors []string
}

func (e *errorLog) Enabled(context.Context, slog.Level) bool { return true }

func (e *errorLog) Handle(_ context.Context, r slog.Record) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r.Level >= slog.LevelError && (r.Message == "internal error" || strings.HasPrefix(r.Message, "cannot take over")) {
		r.Attrs(func(a slog.Attr) bool {
			e.errors = append(e.errors, r.Message+": "+a.String())
			return true
		})
	}
	return nil
}

// refused notes a successor that did not begin.
func (e *errorLog) refused(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.errors = append(e.errors, fmt.Sprintf("a successor has not begun: %v", err))
}
