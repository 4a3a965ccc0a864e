package prove

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// pool is a small master: workers on one inherited listener, replaced in a roll
// and after a death.
type pool struct {
	t         testing.TB
	behaviour string
	listener  net.Listener

	mu      sync.Mutex
	workers map[string]*process
	made    int
	closing bool
	wg      sync.WaitGroup // a goroutine waits for every process
}

type process struct {
	Worker
	cmd    *exec.Cmd
	alive  io.Closer     // its standard input
	exited chan struct{} // closed after Wait
	leave  bool          // it was told to; guarded by pool.mu
}

func newPool(t testing.TB, behaviour, network string, size int) *pool {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "app.sock")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	p := &pool{t: t, behaviour: behaviour, listener: l, workers: make(map[string]*process)}
	t.Cleanup(p.close)
	for slot := range size {
		if err := p.spawn(slot); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p *pool) url() string {
	if a, ok := p.listener.Addr().(*net.UnixAddr); ok {
		return "unix:" + a.Name
	}
	return "http://" + p.listener.Addr().String() + "/"
}

func (p *pool) close() {
	p.mu.Lock()
	p.closing = true
	for _, w := range p.workers {
		_ = w.cmd.Process.Kill()
	}
	p.mu.Unlock()
	p.wg.Wait()
	p.listener.Close()
}

// listenerFile makes a descriptor of the listener for a child. File() would do,
// but puts the shared socket into blocking mode for all.
func listenerFile(l net.Listener) (*os.File, error) {
	raw, err := l.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	fd, dupErr := -1, error(nil)
	err = raw.Control(func(of uintptr) {
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		if fd, dupErr = syscall.Dup(int(of)); dupErr == nil {
			syscall.CloseOnExec(fd)
		}
	})
	if err := errors.Join(err, dupErr); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "listener"), nil
}

// spawn starts a worker and waits until it is ready.
func (p *pool) spawn(slot int) error {
	file, err := listenerFile(p.listener)
	if err != nil {
		return err
	}
	defer file.Close()
	ready, readyChild, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	cmd := exec.Command(os.Args[0])
	// The race detector lets every process sleep for a second at its end.
	cmd.Env = append(os.Environ(), workerEnv+"="+p.behaviour, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{file, readyChild}
	alive, err := cmd.StdinPipe()
	if err == nil {
		err = p.start(slot, cmd, alive)
	}
	readyChild.Close()
	if err != nil {
		return err
	}
	_ = ready.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		return fmt.Errorf("worker of slot %d is not ready: %w", slot, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.workers {
		if w.cmd == cmd {
			w.State = Serving
		}
	}
	return nil
}

func (p *pool) start(slot int, cmd *exec.Cmd, alive io.Closer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closing {
		return errors.New("the pool is closing")
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.made++
	w := &process{
		Worker: Worker{ID: fmt.Sprint("w", p.made), Slot: slot, PID: cmd.Process.Pid, State: "starting"},
		cmd:    cmd, alive: alive, exited: make(chan struct{}),
	}
	p.workers[w.ID] = w
	p.wg.Go(func() { p.mind(w) })
	return nil
}

// mind waits for the end of a worker and replaces it if it was not told to end.
func (p *pool) mind(w *process) {
	_ = w.cmd.Wait()
	p.mu.Lock()
	delete(p.workers, w.ID)
	replace := !w.leave && !p.closing
	close(w.exited)
	p.mu.Unlock()
	if replace {
		if err := p.spawn(w.Slot); err != nil {
			p.t.Log("cannot respawn:", err)
		}
	}
}

func (p *pool) Workers(context.Context) ([]Worker, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Worker
	for _, w := range p.workers {
		all = append(all, w.Worker)
	}
	return all, nil
}

func (p *pool) Roll(ctx context.Context) (Roll, error) {
	p.mu.Lock()
	var old []*process
	for _, w := range p.workers {
		old = append(old, w)
	}
	p.mu.Unlock()
	for n, w := range old {
		if err := p.spawn(w.Slot); err != nil {
			return Roll{Replaced: n, Reason: err.Error()}, nil
		}
		p.mu.Lock()
		w.leave, w.State = true, "draining"
		_ = w.cmd.Process.Signal(syscall.SIGTERM)
		p.mu.Unlock()
		select {
		case <-w.exited:
		case <-ctx.Done():
			return Roll{Replaced: n, Reason: "cancelled"}, ctx.Err()
		}
	}
	return Roll{Replaced: len(old), OK: true}, nil
}

func (p *pool) Signal(_ context.Context, id string, sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	w, ok := p.workers[id]
	if !ok {
		return fmt.Errorf("no worker %s", id)
	}
	return w.cmd.Process.Signal(sig)
}
