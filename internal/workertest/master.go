// Package workertest is a small master and a small load for tests of programs
// that run as workers: real processes, one shared listener, clients that never
// try a request twice.
package workertest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"relevo/internal/ipc"
	"relevo/internal/testbuffer"
)

// tooLong is longer than anything here takes, on a machine that is busy with
// something else.
const tooLong = 60 * time.Second

// Master holds a listener and starts workers on it.
type Master struct {
	t        testing.TB
	Listener *net.TCPListener
	Addr     string

	mu      sync.Mutex
	started int
}

// Spec says how to start a worker.
type Spec struct {
	Command    []string
	Env        []string // beside PATH and what a master sets
	NoChannel  bool     // give it a notify socket only
	Node       bool     // give the channel as Node's child_process expects it
	Observed   bool     // it says nothing: it is ready when the kernel shows that it waits for connections
	Generation int
}

// Worker is a process that was started.
type Worker struct {
	PID      int
	Messages chan ipc.Message // what it says but ready; closed at the end of its channel
	t        testing.TB
	cmd      *exec.Cmd
	channel  net.Conn
	ready    chan struct{}
	once     sync.Once
	output   *testbuffer.Buffer
	exited   chan struct{}
	err      error
}

// NewMaster listens on a free port of the loopback address.
func NewMaster(t testing.TB) *Master {
	t.Helper()
	config := net.ListenConfig{}
	config.SetMultipathTCP(false)
	ln, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return &Master{t: t, Listener: ln.(*net.TCPListener), Addr: ln.Addr().String()}
}

// Dup returns a duplicate of a listener's descriptor. It leaves the shared
// O_NONBLOCK flag alone, which the listener's own File method would not once its
// Fd is asked for, as os/exec does.
func Dup(t testing.TB, ln syscall.Conn) *os.File {
	t.Helper()
	raw, err := ln.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	fd := -1
	if cerr := raw.Control(func(old uintptr) {
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		if fd, err = syscall.Dup(int(old)); err == nil {
			syscall.CloseOnExec(fd)
		}
	}); cerr != nil || err != nil {
		t.Fatal("cannot duplicate the listener:", cerr, err)
	}
	return os.NewFile(uintptr(fd), "listener")
}

// Start starts a worker; the test's end kills it.
func (m *Master) Start(spec Spec) *Worker {
	m.t.Helper()
	m.mu.Lock()
	m.started++
	id := m.started
	m.mu.Unlock()
	// LISTEN_PID must be the worker's own, which is known only after the fork.
	cmd := exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ exec "$@"`, "sh"}, spec.Command...)...)
	w := &Worker{t: m.t, cmd: cmd, ready: make(chan struct{}), exited: make(chan struct{}),
		Messages: make(chan ipc.Message, 1024), output: &testbuffer.Buffer{}}
	cmd.Stdout, cmd.Stderr = w.output, w.output
	file := Dup(m.t, m.Listener)
	defer file.Close()
	cmd.ExtraFiles = []*os.File{file}
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LISTEN_FDS=1", "LISTEN_FDNAMES=web",
		ipc.EnvName + "=test", ipc.EnvSlot + "=0", ipc.EnvWorker + "=w" + strconv.Itoa(id),
		ipc.EnvGeneration + "=" + strconv.Itoa(max(spec.Generation, 1)),
		"NOTIFY_SOCKET=" + w.notifySocket()}, spec.Env...)
	if !spec.NoChannel {
		w.openChannel(spec.Node)
	}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	w.PID = cmd.Process.Pid
	for _, f := range cmd.ExtraFiles[1:] {
		f.Close()
	}
	go func() {
		w.err = cmd.Wait()
		close(w.exited)
	}()
	if spec.Observed {
		go w.observe(m.Listener)
	}
	m.t.Cleanup(w.kill)
	return w
}

// openChannel gives the worker descriptor 4.
func (w *Worker) openChannel(node bool) {
	ours, theirs, err := ipc.Pair()
	if err != nil {
		w.t.Fatal(err)
	}
	defer ours.Close()
	if w.channel, err = net.FileConn(ours); err != nil {
		w.t.Fatal(err)
	}
	w.cmd.ExtraFiles = append(w.cmd.ExtraFiles, theirs)
	if node {
		w.cmd.Env = append(w.cmd.Env, "NODE_CHANNEL_FD=4", "NODE_CHANNEL_SERIALIZATION_MODE=json")
	} else {
		w.cmd.Env = append(w.cmd.Env, ipc.EnvFD+"=4")
	}
	go w.read()
}

func (w *Worker) read() {
	defer close(w.Messages)
	r := ipc.NewReader(w.channel)
	for {
		m, err := r.Next()
		if err != nil {
			return
		}
		if _, ok := m.(ipc.Ready); ok {
			w.once.Do(func() { close(w.ready) })
			continue
		}
		select {
		case w.Messages <- m:
			continue // the last words of a worker that has gone are read too
		default:
		}
		select {
		case w.Messages <- m:
		case <-w.exited: // a test that does not listen
			return
		}
	}
}

// notifySocket listens for READY=1 of this worker alone.
func (w *Worker) notifySocket() string {
	dir, err := os.MkdirTemp("", "notify") // short: a socket's path has at most 107 bytes
	if err != nil {
		w.t.Fatal(err)
	}
	name := filepath.Join(dir, "s")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		conn.Close()
		os.RemoveAll(dir)
	})
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			if strings.Contains(string(buf[:n]), "READY=1") {
				w.once.Do(func() { close(w.ready) })
			}
		}
	}()
	return name
}

// WaitReady fails the test if the worker ends before it is ready.
func (w *Worker) WaitReady() *Worker {
	w.t.Helper()
	select {
	case <-w.ready:
	case <-w.exited:
		w.t.Fatalf("worker %d ended before it was ready: %v\n%s", w.PID, w.err, w.output)
	case <-time.After(tooLong):
		w.t.Fatalf("worker %d is not ready\n%s", w.PID, w.output)
	}
	return w
}

// Wait returns the result of os/exec's Wait: nil for exit status 0.
func (w *Worker) Wait() error {
	w.t.Helper()
	select {
	case <-w.exited:
	case <-time.After(tooLong):
		w.t.Fatalf("worker %d does not end\n%s", w.PID, w.output)
	}
	return w.err
}

// Output is what the worker has printed so far.
func (w *Worker) Output() string { return w.output.String() }

// Exited is closed when the worker has ended.
func (w *Worker) Exited() <-chan struct{} { return w.exited }

// Signal sends a signal to the worker.
func (w *Worker) Signal(sig syscall.Signal) {
	w.t.Helper()
	if err := w.cmd.Process.Signal(sig); err != nil {
		w.t.Fatalf("cannot signal worker %d: %v\n%s", w.PID, err, w.output)
	}
}

// Send sends a message over the channel.
func (w *Worker) Send(m ipc.Message) {
	w.t.Helper()
	line, err := ipc.Encode(m)
	if err == nil {
		_, err = w.channel.Write(line)
	}
	if err != nil {
		w.t.Fatalf("cannot send to worker %d: %v\n%s", w.PID, err, w.output)
	}
}

// Hangup closes the master's end of the channel.
func (w *Worker) Hangup() { w.channel.Close() }

func (w *Worker) kill() {
	_ = w.cmd.Process.Kill() // os.Process knows whether it has been waited for
	<-w.exited
	if w.channel != nil {
		w.channel.Close()
		for range w.Messages { // until the reader has gone
		}
	}
	if w.t.Failed() && w.output.String() != "" {
		w.t.Logf("output of worker %d:\n%s", w.PID, w.output)
	}
}
