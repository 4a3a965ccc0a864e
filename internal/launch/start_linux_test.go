package launch

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"relevo/internal/ipc"
	"relevo/internal/testleft"
	"relevo/pool"
)

// TestNothingElseIsInherited: a worker has the limits, the mask and the signals of a child that is
// started directly. The shim is a Go program, and Go raises a limit and catches signals for itself.
func TestNothingElseIsInherited(t *testing.T) {
	t.Parallel()
	const script = `ulimit -n; ulimit -c; umask; nice; cat /proc/$$/oom_score_adj; exec grep -E "Sig(Ign|Blk)|CapEff|` +
		`NoNewPrivs" /proc/self/status`
	direct, err := exec.Command("sh", "-c", script).Output()
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, "web")
	w := r.start(shell(script))
	w.exit()
	if got := r.out.String(); got != string(direct) {
		t.Errorf("the worker finds\n%s\na direct child\n%s", got, direct)
	}
}

// TestSoftLimit: Go raises a limit for itself only if the soft and the hard limit differ.
func TestSoftLimit(t *testing.T) {
	t.Parallel()
	const script = `ulimit -Sn 500 && exec "$0" -test.run='^TestNothingElseIsInherited$' -test.v`
	out, err := exec.Command("sh", "-c", script, self()).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestNothingElseIsInherited") {
		t.Errorf("with a soft limit below the hard one: %v\n%s", err, out)
	}
}

// TestStartFails: an error of Start leaves nothing open and reports nothing.
func TestStartFails(t *testing.T) {
	r := newRig(t, "web")
	release := r.prepare(shell("exit 0"))
	r.self = "/no/such/launcher"
	before := testleft.OpenFiles()
	w := r.newWorker()
	for range 3 {
		process, err := release.Start(pool.Order{ID: "1"}, w.sink)
		if process != nil || err == nil {
			t.Fatalf("got %v, %v", process, err)
		}
		wantError(t, err.Error(), "cannot start a process: ", "/no/such/launcher", "no such file")
	}
	if after := testleft.OpenFiles(); len(after) != len(before) {
		t.Errorf("before %q\nafter  %q", before, after)
	}
	if len(w.reports) > 0 || len(r.byPID) > 0 {
		t.Errorf("%d reports, %d entries", len(w.reports), len(r.byPID))
	}
}

// TestLargeOrder: an environment far larger than a socket's buffer arrives.
func TestLargeOrder(t *testing.T) {
	t.Parallel()
	var env []string
	for i := range 5 {
		env = append(env, fmt.Sprintf("LARGE_%d=%s", i, strings.Repeat("x", 100_000)))
	}
	s, _ := newRig(t, "web").sceneryOf(tellsScenery.command(env...))
	for _, variable := range env {
		if !slices.Contains(s.Env, variable) {
			t.Fatalf("%.20s… did not arrive", variable)
		}
	}
}

// TestConcurrentStarts: every worker gets its own listener and channel, and no descriptor of another
// worker.
func TestConcurrentStarts(t *testing.T) {
	t.Parallel()
	r := newRig(t, "web")
	var env []string
	for i := range 9 {
		env = append(env, fmt.Sprintf("APP_%d=%d", i, i))
	}
	const script = `echo "$RELEVO_SLOT $RELEVO_WORKER $LISTEN_PID $$ $APP_8"; exec ls /proc/self/fd`
	release := r.prepare(Command{App: "app", Args: []string{"sh", "-c", script}, Env: env})
	release.env = append(make([]string, 0, 64), release.env...) // spare capacity, as append may leave it
	const many = 16
	workers := make([]*worker, many)
	var all sync.WaitGroup
	for i := range workers {
		w := r.newWorker()
		workers[i] = w
		all.Go(func() {
			process, err := release.Start(pool.Order{ID: fmt.Sprintf("id%d", i), Slot: i, Generation: 1}, w.sink)
			if err != nil {
				t.Error(err)
				return
			}
			w.Process = process
		})
	}
	all.Wait()
	for i, w := range workers {
		if w.Process == nil {
			continue
		}
		exited := w.exit()
		// 3 is the listener, 4 the channel, 5 what ls itself reads.
		want := []string{fmt.Sprintf("%d id%d %d %d 8", i, i, w.PID(), w.PID()), "0", "1", "2", "3", "4", "5"}
		if got := w.Tail(); !slices.Equal(got, want) || exited.Status.Code != 0 {
			t.Errorf("worker %d says %q and ends with %v, want %q", i, got, exited.Status, want)
		}
	}
}

var echoes = behaves("echo", func() {
	fd, _ := strconv.Atoi(os.Getenv(ipc.EnvFD))
	channel := os.NewFile(uintptr(fd), "ipc")
	lines := ipc.NewReader(channel)
	for {
		m, err := lines.Next()
		if err != nil {
			return
		}
		line, _ := ipc.Encode(m)
		channel.Write(line)
	}
})

// TestChannelOfWorker: messages go both ways, and the channel ends with the worker.
func TestChannelOfWorker(t *testing.T) {
	t.Parallel()
	w := newRig(t).start(echoes.command())
	for _, m := range []ipc.Message{
		ipc.App{Data: []byte(`{"hello":["world",1.0]}`)}, ipc.App{Data: []byte(`"ready"`)}, ipc.Hello{Protocol: 1},
		ipc.Draining{Open: 3},
	} {
		if err := w.Send(m); err != nil {
			t.Fatal(err)
		}
		if said := expect[pool.Said](w); fmt.Sprint(said.Message) != fmt.Sprint(m) {
			t.Errorf("%v came back as %v", m, said.Message)
		}
	}
	w.Terminate()
	exited := w.exit()
	if !saw[pool.Disconnected](w) {
		t.Errorf("no Disconnected before %v", exited)
	}
	if err := w.Send(ipc.App{Data: []byte("1")}); err != ipc.ErrClosed {
		t.Errorf("Send after the end: %v, want ErrClosed", err)
	}
}
