package launch

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/ipc"
	"relevo/internal/testbuffer"
	"relevo/pool"
)

// counts writes 1, 2, 3 … to its channel and, in pieces of lines, to its output, until a message
// ends it.
var counts = behaves("count", func() {
	channel := openChannel()
	ended := make(chan bool)
	go func() {
		bufio.NewReader(channel).ReadString('\n')
		close(ended)
	}()
	for n := 1; ; n++ {
		fmt.Fprintf(channel, `{"n":%d}`+"\n", n)
		fmt.Printf("line ")
		fmt.Printf("%d\n", n)
		select {
		case <-ended:
			fmt.Fprintln(channel, `"end"`)
			os.Exit(42)
		default:
		}
	}
})

// succeed makes another Process take over the worker, as after a succession.
func (w *worker) succeed(release *Release, o pool.Order) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), tooLong)
	defer cancel()
	legacy, err := w.Process.Detach(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for len(w.reports) > 0 {
		w.take(<-w.reports)
	}
	w.adopt(release, o, legacy)
}

// adopt makes another Process take over the worker of the legacy.
func (w *worker) adopt(release *Release, o pool.Order, legacy pool.ProcessLegacy) {
	w.t.Helper()
	// As in the pool, reports about a process wait until the pool knows the process.
	known := make(chan struct{})
	process, err := release.Adopt(o, legacy, func(report pool.Report) { <-known; w.sink(report) })
	if err != nil {
		w.t.Fatal(err)
	}
	w.Process = process
	close(known)
}

// TestSuccession: a worker talks while one master after another takes over. Each of its messages and
// lines arrives once and in order, and its end is seen.
func TestSuccession(t *testing.T) {
	t.Parallel()
	streams := Streams{Out: &testbuffer.Buffer{}, Err: &testbuffer.Buffer{}, PrefixOut: true, BegunFor: tooLong}
	r := newRigOf(t, Options{Streams: streams}, listenAll(t, []string{"web"})...)
	out := r.opts.Streams.Out.(*testbuffer.Buffer)
	release := r.prepare(counts.command())
	order := pool.Order{ID: "7", Slot: 2, Generation: 3}
	w := r.startOf(release, order)
	expect[pool.Said](w)
	pid := w.PID()
	for range 50 {
		w.succeed(release, order)
		expect[pool.Said](w)
	}
	if w.PID() != pid {
		t.Errorf("pid %d became %d", pid, w.PID())
	}
	if err := w.Send(ipc.App{Data: json.RawMessage(`"end"`)}); err != nil {
		t.Fatal(err)
	}
	if status := w.exit().Status; status.Code != 42 || status.Signal != 0 || status.Error != "" {
		t.Errorf("the worker ended with %v", status)
	}
	n := 0
	for _, report := range w.seen {
		said, _ := report.(pool.Said)
		app, ok := said.Message.(ipc.App)
		if !ok || string(app.Data) == `"end"` {
			continue
		}
		if n++; string(app.Data) != fmt.Sprintf(`{"n":%d}`, n) {
			t.Fatalf("message %d is %s", n, app.Data)
		}
	}
	for i, line := range strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n") {
		if line != fmt.Sprintf("app/2 │ line %d", i+1) {
			t.Fatalf("line %d is %q", i+1, line)
		}
	}
}

// TestSuccessionOfStartingWorker: readiness is decided once, whichever master sees it.
func TestSuccessionOfStartingWorker(t *testing.T) {
	t.Parallel()
	r := notified(t, "web")
	release := r.prepare(neverReady.command())
	w := r.startOf(release, pool.Order{ID: "7"})
	expect[pool.Online](w)
	w.succeed(release, pool.Order{ID: "7"})
	w.Process.(*Process).notified(ipc.Notification{"READY": "1"})
	if ready := expect[pool.Ready](w); ready.How != "notify" {
		t.Errorf("the worker is ready by %q", ready.How)
	}
	w.succeed(release, pool.Order{ID: "7"})
	w.Process.(*Process).notified(ipc.Notification{"READY": "1", "STATUS": "again"})
	expect[pool.Said](w)
	ready := 0
	for _, report := range w.seen {
		if _, ok := report.(pool.Ready); ok {
			ready++
		}
	}
	if ready != 1 {
		t.Errorf("ready was reported %d times", ready)
	}
}

// TestReadyOverTheEnd: a master is killed when a worker has got ready, before its pool gets the
// report. The next master's pool gets it. Reports that the first pool has got are not repeated.
func TestReadyOverTheEnd(t *testing.T) {
	t.Parallel()
	r := notified(t, "web")
	release := r.prepare(neverReady.command())
	w := r.startOf(release, order)
	expect[pool.Online](w)
	w.Process.(*Process).notified(ipc.Notification{"READY": "1"})
	expect[pool.Ready](w)
	for _, unready := range []bool{true, false} {
		killed := w.Process.Legacy()
		left, err := w.Process.Detach(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		killed.Files, killed.Unready = left.Files, unready
		if w.Process, err = release.Adopt(order, killed, w.sink); err != nil {
			t.Fatal(err)
		}
		if unready {
			if ready := expect[pool.Ready](w); ready.How != "notify" {
				t.Errorf("the worker is ready by %q", ready.How)
			}
		}
	}
	w.Kill()
	w.exit()
	ready := 0
	for _, report := range w.seen {
		if _, ok := report.(pool.Ready); ok {
			ready++
		}
	}
	if ready != 2 {
		t.Errorf("ready was reported %d times, want 2", ready)
	}
}

// TestDetachOfDeadWorker: the master that saw the end of a worker reports it.
func TestDetachOfDeadWorker(t *testing.T) {
	t.Parallel()
	r := newRig(t, "web")
	release := r.prepare(shell("exit 3"))
	for i := range 20 {
		w := r.startOf(release, pool.Order{ID: "7"})
		if i%2 == 0 {
			expect[pool.Online](w)
		}
		legacy, err := w.Process.Detach(context.Background())
		if err == nil { // it was detached before its end was seen
			w.Process, err = release.Adopt(pool.Order{ID: "7"}, legacy, w.sink)
		}
		if err != nil && !errors.Is(err, pool.ErrGone) {
			t.Fatal(err)
		}
		if status := w.exit().Status; status.Code != 3 {
			t.Errorf("the worker ended with %v", status)
		}
	}
}

// orphan starts a process that is not a child of this one, in a group of its own.
func orphan(t *testing.T, script string) (pid int) {
	t.Helper()
	out, err := exec.Command("setsid", "sh", "-c", `(`+script+`) >/dev/null 2>&1 & echo $!`).Output()
	if err != nil {
		t.Fatal(err)
	}
	if pid, err = strconv.Atoi(strings.TrimSpace(string(out))); err != nil {
		t.Fatal(err)
	}
	return pid
}

// TestEndOfAnOrphan: the end of a process that this master did not start is seen by its pidfd, with
// the exit status if the kernel reports it.
func TestEndOfAnOrphan(t *testing.T) {
	t.Parallel()
	r := newRig(t, "web")
	release := r.prepare(shell("exit 0"))
	for _, c := range []struct {
		script string
		want   pool.ExitStatus
	}{
		{"sleep 0.3; exit 42", pool.ExitStatus{Code: 42}},
		{"sleep 0.3; exit 0", pool.ExitStatus{}},
		{"sleep 0.3; sh -c 'kill -9 $PPID'; sleep 1", pool.ExitStatus{Signal: syscall.SIGKILL}},
	} {
		pid := orphan(t, c.script)
		fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
		if err != nil {
			t.Fatal(err)
		}
		state, _ := json.Marshal(processLegacy{PID: pid, Settled: true})
		w := r.newWorker()
		began := time.Now()
		w.Process, err = release.Adopt(pool.Order{ID: "9"}, pool.ProcessLegacy{
			State: state, Files: map[string]*os.File{pidfdFile: os.NewFile(uintptr(fd), "pidfd")},
		}, w.sink)
		if err != nil {
			t.Fatal(err)
		}
		status := w.exit().Status
		if status != c.want && status != statusUnknown {
			t.Errorf("%s: %v, want %v", c.script, status, c.want)
		}
		if status == statusUnknown && kernelRecordsExits() {
			t.Errorf("%s: unknown after %v, although this kernel reports it", c.script, time.Since(began))
		}
	}
}

// kernelRecordsExits says whether the kernel knows PIDFD_INFO_EXIT, by asking for it for a process
// that has been reaped.
func kernelRecordsExits() bool {
	fd := -1
	child, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{Sys: &syscall.SysProcAttr{PidFD: &fd}})
	if err != nil || fd < 0 {
		return false
	}
	defer unix.Close(fd)
	child.Wait()
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	return unix.IoctlPidfdInfo(fd, &info) == nil && info.Mask&unix.PIDFD_INFO_EXIT != 0
}
