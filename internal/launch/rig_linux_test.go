package launch

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/ipc"
	"relevo/internal/testbuffer"
	"relevo/pool"
)

// rig is a Launcher with real listeners, and all that it logs.
type rig struct {
	*Launcher
	t             *testing.T
	listeners     []Listener // of every command
	out, err, log *testbuffer.Buffer
	server        *ipc.NotifyServer // set by notified
}

// newRig makes a launcher whose workers inherit a TCP listener for each name.
func newRig(t *testing.T, names ...string) *rig {
	t.Helper()
	return newRigOf(t, Options{}, listenAll(t, names)...)
}

func listenAll(t *testing.T, names []string) (listeners []Listener) {
	t.Helper()
	for _, name := range names {
		listeners = append(listeners, listenTCP(t, name))
	}
	return listeners
}

func newRigOf(t *testing.T, o Options, listeners ...Listener) *rig {
	t.Helper()
	r := &rig{t: t, listeners: listeners, out: &testbuffer.Buffer{}, err: &testbuffer.Buffer{}, log: &testbuffer.Buffer{}}
	if o.Streams.Out == nil && o.Streams.Open == nil && o.Streams.Inherit == [2]*os.File{} && !o.Streams.PrefixOut {
		o.Streams = Streams{Out: r.out, Err: r.err}
	}
	o.Log = slog.New(slog.NewTextHandler(r.log, nil))
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r.Launcher = l
	return r
}

// notified is a rig whose workers have a notify socket.
func notified(t *testing.T, names ...string) *rig {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	server, err := ipc.ListenNotify(path)
	if err != nil {
		t.Fatal(err)
	}
	r := newRigOf(t, Options{NotifySocket: path}, listenAll(t, names)...)
	r.server = server
	server.OnFlood(r.Flooded)
	served := make(chan error, 1)
	go func() { served <- server.Serve(r.Notified) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return r
}

// listenTCP opens a listener in the way that Listener requires.
func listenTCP(t *testing.T, name string) Listener {
	t.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return Listener{Name: name, Address: ln.Addr().String(), File: unpolled(t, ln.(*net.TCPListener), name)}
}

func listenUDP(t *testing.T, name string) Listener {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return Listener{Name: name, Address: conn.LocalAddr().String(), File: unpolled(t, conn, name)}
}

// unpolled copies a socket out of the runtime's poller; the copy is non-blocking.
func unpolled(t *testing.T, conn syscall.Conn, name string) *os.File {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var file *os.File
	var failed error
	raw.Control(func(fd uintptr) {
		copied, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			failed = err
			return
		}
		unix.SetNonblock(copied, false)
		file = os.NewFile(uintptr(copied), name)
		failed = unix.SetNonblock(copied, true)
	})
	if failed != nil {
		t.Fatal(failed)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

// Prepare gives the command the rig's listeners.
func (r *rig) Prepare(c Command) (*Release, error) {
	c.Listeners = r.listeners
	return r.Launcher.Prepare(c)
}

// prepare is Prepare for a command that must have no errors.
func (r *rig) prepare(c Command) *Release {
	r.t.Helper()
	release, err := r.Prepare(c)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := release.Close(); err != nil {
			r.t.Error(err)
		}
	})
	return release
}

// worker is a process of a release and what it has reported.
type worker struct {
	pool.Process
	t       *testing.T
	reports chan pool.Report
	seen    []pool.Report // taken from reports
	exited  *pool.Exited  // taken from reports
	over    atomic.Bool   // Exited was reported

	holdsSaves bool // if true, the test itself calls Persist.Done
}

func (w *worker) sink(report pool.Report) {
	if w.over.Load() {
		w.t.Errorf("%#v was reported after Exited", report)
	}
	if _, last := report.(pool.Exited); last {
		w.over.Store(true)
	}
	if persist, ok := report.(pool.Persist); ok && !w.holdsSaves {
		persist.Done()
		return
	}
	w.reports <- report
}

func (r *rig) newWorker() *worker {
	return &worker{t: r.t, reports: make(chan pool.Report, 10000)}
}

func (r *rig) start(c Command) *worker {
	r.t.Helper()
	return r.startOf(r.prepare(c), order)
}

var order = pool.Order{ID: "7", Slot: 2, Generation: 3}

func (r *rig) startOf(release *Release, o pool.Order) *worker {
	r.t.Helper()
	return r.startAs(release, o, func(*worker, pool.Report) {})
}

// startAs is startOf with a function that gets each report when it comes.
func (r *rig) startAs(release *Release, o pool.Order, told func(*worker, pool.Report)) *worker {
	r.t.Helper()
	return r.startWorker(r.newWorker(), release, o, told)
}

func (r *rig) startWorker(w *worker, release *Release, o pool.Order, told func(*worker, pool.Report)) *worker {
	r.t.Helper()
	// As in the pool, reports about a process wait until the pool knows the process.
	known := make(chan struct{})
	process, err := release.Start(o, func(report pool.Report) { <-known; w.sink(report); told(w, report) })
	w.Process = process
	close(known)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(w.end)
	return w
}

// end kills the worker, unless the test has seen its end.
func (w *worker) end() {
	if w.exited == nil {
		w.Kill()
		w.exit()
	}
}

func (w *worker) take(report pool.Report) pool.Report {
	w.seen = append(w.seen, report)
	if exited, ok := report.(pool.Exited); ok {
		w.exited = &exited
	}
	return report
}

func (w *worker) next() pool.Report {
	w.t.Helper()
	select {
	case report := <-w.reports:
		return w.take(report)
	case <-time.After(tooLong):
		w.t.Fatalf("worker %d reported nothing more", w.PID())
		panic("unreachable")
	}
}

// expect returns the next report of a kind. It skips other reports, but not the end.
func expect[R pool.Report](w *worker) R {
	w.t.Helper()
	for {
		switch report := w.next().(type) {
		case R:
			return report
		case pool.Exited:
			w.t.Fatalf("the worker ended (%v, %q) before it reported %T; last output %q",
				report.Status, report.Hint, *new(R), w.Tail())
		}
	}
}

// exit waits for the end of the worker.
func (w *worker) exit() pool.Exited {
	w.t.Helper()
	for w.exited == nil {
		w.next()
	}
	return *w.exited
}

// saw says whether a kind of report is among those that were taken.
func saw[R pool.Report](w *worker) bool {
	for _, report := range w.seen {
		if _, ok := report.(R); ok {
			return true
		}
	}
	return false
}

// wantError checks what an error or a hint says.
func wantError(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q does not say %q", text, part)
		}
	}
}

// executable writes a file that may be executed.
func executable(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// state is the letter of proc_pid_stat(5), empty if there is no such process.
func state(pid int) string {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if _, after, ok := strings.Cut(string(stat), ") "); ok {
		return after[:1]
	}
	return ""
}

// dead says whether a process is gone, or only waits to be reaped by its parent.
func dead(pid int) bool {
	s := state(pid)
	return s == "" || s == "Z" || s == "X"
}
