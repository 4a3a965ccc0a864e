package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/ipc"
	"relevo/pool"
)

func shell(script string) Command {
	return Command{App: "app", Args: []string{"sh", "-c", script}}
}

var crashesOnStart = behaves("crash-on-start", func() {
	fmt.Println("reading the configuration")
	fmt.Fprintln(os.Stderr, "panic: no configuration")
	os.Exit(3)
})

var exitsEarly = behaves("exit-0-early", func() { fmt.Println("gone into the background") })

// TestExits: how a worker ended, by the exit status and in words.
func TestExits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		command Command
		want    pool.ExitStatus
		hint    string
		last    string
	}{
		"crash": {crashesOnStart.command(), pool.ExitStatus{Code: 3}, "", "panic: no configuration"},
		"exit 0": {exitsEarly.command(), pool.ExitStatus{}, "it ended by itself: a worker stays in the foreground",
			"gone into the background"},
		"segfault": {shell("kill -SEGV $$"), pool.ExitStatus{Signal: syscall.SIGSEGV}, "", ""},
		"killed":   {shell("kill -KILL $$"), pool.ExitStatus{Signal: syscall.SIGKILL}, "out-of-memory killer", ""},
		"seccomp":  {shell("kill -SYS $$"), pool.ExitStatus{Signal: syscall.SIGSYS}, "seccomp", ""},
		"127":      {shell("exec /no/such/program"), pool.ExitStatus{Code: 127}, "a shell could not", ""},
		"255":      {shell("echo bye; exit 255"), pool.ExitStatus{Code: 255}, "", "bye"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, "web")
			w := r.start(c.command)
			exited := w.exit()
			exited.Status.Core = false // depends on the machine
			if said := exited.Status.Said; c.want.Code != 0 && !strings.Contains(said, c.last) ||
				c.want.Code == 0 && said != "" {
				t.Errorf("the line with the reason is %q, want %q", said, c.last)
			}
			exited.Status.Said = ""
			if exited.Status != c.want || !strings.Contains(exited.Hint, c.hint) || (c.hint == "") != (exited.Hint == "") {
				t.Errorf("the worker ended with %+v, hint %q; want %+v, %q", exited.Status, exited.Hint, c.want, c.hint)
			}
			if lines := w.Tail(); c.last != "" && !slices.Contains(lines, c.last) {
				t.Errorf("the last lines are %q, want %q among them", lines, c.last)
			}
			if !saw[pool.Online](w) || saw[pool.Ready](w) || !saw[pool.Disconnected](w) {
				t.Errorf("unexpected reports: %#v", w.seen)
			}
		})
	}
}

func TestExitStatusOf(t *testing.T) {
	for status, want := range map[syscall.WaitStatus]pool.ExitStatus{
		0: {}, 3 << 8: {Code: 3}, 255 << 8: {Code: 255}, 15: {Signal: syscall.SIGTERM},
		11 | 0x80: {Signal: syscall.SIGSEGV, Core: true}, 34: {Signal: 34},
	} {
		got := exitStatus(status)
		if got != want {
			t.Errorf("status %#x is %+v, want %+v", status, got, want)
		}
		data, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		var again pool.ExitStatus
		if err := json.Unmarshal(data, &again); err != nil || again != got {
			t.Errorf("%s reads as %+v, %v, want %+v", data, again, err, got)
		}
	}
	failed := pool.ExitStatus{Error: "cannot run /x: no such file or directory"}
	data, _ := json.Marshal(failed)
	var again pool.ExitStatus
	if err := json.Unmarshal(data, &again); err != nil || again != failed {
		t.Errorf("%s reads as %+v, %v", data, again, err)
	}
}

func TestStopSignal(t *testing.T) {
	t.Parallel()
	for want, c := range map[syscall.Signal]syscall.Signal{syscall.SIGTERM: 0, syscall.SIGUSR2: syscall.SIGUSR2,
		syscall.SIGQUIT: syscall.SIGQUIT} {
		command := Command{App: "app", Args: []string{"sleep", "60"}, StopSignal: c}
		w := newRig(t).start(command)
		expect[pool.Online](w)
		if err := w.Terminate(); err != nil {
			t.Fatal(err)
		}
		if exited := w.exit(); exited.Status.Signal != want || exited.Hint != "" {
			t.Errorf("stop signal %v: it ended with %v, hint %q", want, exited.Status, exited.Hint)
		}
	}
}

// TestRequestedEndHasNoHint: there is no hint if the master itself has ended the worker.
func TestRequestedEndHasNoHint(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(*worker) error{
		"Kill":           func(w *worker) error { return w.Kill() },
		"Signal(KILL)":   func(w *worker) error { return w.Signal(syscall.SIGKILL) },
		"drain, exits 0": func(w *worker) error { return w.Send(ipc.Drain{DeadlineMS: 1}) },
	} {
		w := newRig(t).start(shell("head -n 1 <&3 >/dev/null"))
		expect[pool.Online](w)
		if err := ask(w); err != nil {
			t.Fatal(err)
		}
		if exited := w.exit(); exited.Hint != "" {
			t.Errorf("%s: %v with the hint %q", name, exited.Status, exited.Hint)
		}
	}
}

func TestSignalsAfterTheEnd(t *testing.T) {
	t.Parallel()
	w := newRig(t).start(shell("exit 1"))
	w.exit()
	for name, err := range map[string]error{
		"Kill": w.Kill(), "Terminate": w.Terminate(), "Signal": w.Signal(syscall.SIGHUP),
	} {
		if !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("%s after the end: %v, want os.ErrProcessDone", name, err)
		}
	}
}

var hangs = behaves("hang", func() {
	fmt.Println("hangs")
	unix.Kill(os.Getpid(), unix.SIGSTOP)
	os.Exit(1)
})

var ignoresTERM = behaves("ignore-TERM", func() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	fmt.Println("ready to ignore")
	<-signals
	fmt.Println("got SIGTERM, so what")
	stay()
})

func TestKillEndsAnything(t *testing.T) {
	t.Parallel()
	says := func(w *worker, line string) func() bool {
		return func() bool { return slices.Contains(w.Tail(), line) }
	}
	t.Run("hang", func(t *testing.T) {
		w := newRig(t).start(hangs.command())
		await(t, "it to hang", func() bool { return state(w.PID()) == "T" })
		if err := w.Terminate(); err != nil {
			t.Fatal(err)
		}
		if s := state(w.PID()); s != "T" {
			t.Fatalf("it is in state %q after SIGTERM", s)
		}
		w.Kill()
		if exited := w.exit(); exited.Status.Signal != syscall.SIGKILL {
			t.Errorf("the worker ended with %v", exited.Status)
		}
	})
	t.Run("ignore-TERM", func(t *testing.T) {
		w := newRig(t).start(ignoresTERM.command())
		await(t, "its word", says(w, "ready to ignore"))
		if err := w.Terminate(); err != nil {
			t.Fatal(err)
		}
		await(t, "the signal to be ignored", says(w, "got SIGTERM, so what"))
		if dead(w.PID()) {
			t.Fatal("the worker is dead")
		}
		w.Kill()
		if exited := w.exit(); exited.Status.Signal != syscall.SIGKILL {
			t.Errorf("the worker ended with %v", exited.Status)
		}
	})
	t.Run("leave-group", func(t *testing.T) {
		w := newRig(t).start(leavesGroup.command())
		await(t, "it to leave its group", says(w, "left"))
		if err := w.Kill(); err != nil {
			t.Error(err)
		}
		if exited := w.exit(); exited.Status.Signal != syscall.SIGKILL {
			t.Errorf("the worker ended with %v", exited.Status)
		}
	})
}

// leavesGroup moves to the group of its parent.
var leavesGroup = behaves("leave-group", func() {
	group, _ := unix.Getpgid(os.Getppid())
	if err := unix.Setpgid(0, group); err != nil {
		fmt.Println(err)
	}
	fmt.Println("left")
	stay()
})

// leaksChild leaves a child behind that has closed all descriptors.
var leaksChild = behaves("leak-child", func() {
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
	fmt.Println(child.Process.Pid)
})

// number returns the number in the worker's last line.
func (w *worker) number() int {
	w.t.Helper()
	lines := w.Tail()
	if len(lines) == 0 {
		w.t.Fatal("the worker printed nothing")
	}
	n, err := strconv.Atoi(lines[len(lines)-1])
	if err != nil {
		w.t.Fatalf("the worker printed %q", lines)
	}
	return n
}

func TestChildrenDieWithTheWorker(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Command{
		"leak-child":               leaksChild.command(),
		"which holds the pipes":    shell("sleep 60 & echo $!"),
		"which ignores signals":    shell("(trap '' TERM HUP; exec sleep 60) & echo $!"),
		"which outlives a crash":   shell("sleep 60 & echo $!; kill -SEGV $$"),
		"where the worker is shot": shell("sleep 60 & echo $!; kill -KILL $$"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRig(t, "web").start(c)
			w.exit()
			child := w.number()
			await(t, "the worker's child to be dead", func() bool { return dead(child) })
		})
	}
}

// TestEscapedChild: a child in a session of its own does not belong to the worker any more. It keeps
// the worker's output and channel open, but does not delay the report of the worker's end.
func TestEscapedChild(t *testing.T) {
	t.Parallel()
	r := newRig(t, "web")
	w := r.start(shell("setsid sh -c 'echo $$; exec sleep 60' & wait"))
	await(t, "the child's pid", func() bool { return len(w.Tail()) > 0 })
	child := w.number()
	t.Cleanup(func() {
		unix.Kill(child, unix.SIGKILL)
		// Only now do the pipes end, and with them their readers.
		w.Process.(*Process).pumps.Wait()
	})
	w.Terminate()
	asked := time.Now()
	w.exit()
	if took := time.Since(asked); took > tooLong { // the child lives for a minute
		t.Errorf("the report of its end took %v", took)
	}
	if !saw[pool.Disconnected](w) {
		t.Errorf("the end of the channel is not among %#v", w.seen)
	}
	if dead(child) {
		t.Error("the child was killed; it had left the worker's group")
	}
}

// TestWithoutPidfd: if the kernel gives no pidfd, a thread waits for the worker, and the process
// group is still killed before the worker is reaped.
func TestWithoutPidfd(t *testing.T) {
	t.Parallel()
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	program, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	start := func(script string) (*handle, *os.Process) {
		child, err := os.StartProcess(program, []string{"sh", "-c", script}, &os.ProcAttr{
			Files: []*os.File{nil, out, nil}, Sys: &syscall.SysProcAttr{Setpgid: true},
		})
		if err != nil {
			t.Fatal(err)
		}
		h := &handle{fd: -1, children: undisturbed{}}
		h.setChild(child)
		return h, child
	}

	h, child := start("sleep 60 & echo $!; exit 5")
	if status, _ := h.wait(child.Pid); status != (pool.ExitStatus{Code: 5}) {
		t.Errorf("the worker ended with %v", status)
	}
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	grandchild, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the grandchild to be dead", func() bool { return dead(grandchild) })
	if err := h.killGroup(child.Pid); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("killGroup after the end: %v", err)
	}

	h, child = start("sleep 60")
	pid := child.Pid
	if err := h.signal(syscall.SIGUSR1); err != nil {
		t.Error(err)
	}
	if status, _ := h.wait(pid); status.Signal != syscall.SIGUSR1 {
		t.Errorf("the worker ended with %v", status)
	}
}

// TestExitedIsLast: a worker that uses all of its channels until it dies is heard to the end, and
// nothing is reported after its end; see worker.sink.
func TestExitedIsLast(t *testing.T) {
	t.Parallel()
	r := notified(t, "web")
	release := r.prepare(babbles.command())
	for i := range 5 {
		w := r.startOf(release, pool.Order{ID: fmt.Sprint(i)})
		expect[pool.Said](w)
		w.Kill()
		w.exit()
		// A datagram may already have been on its way to the worker's entry.
		w.Process.(*Process).notified(ipc.Notification{"READY": "1", "STATUS": "late"})
	}
}

var babbles = behaves("babble", func() {
	channel := openChannel()
	go func() {
		for {
			fmt.Fprintln(channel, `{"relevo":"status","text":"on the channel"}`)
		}
	}()
	for {
		notify("STATUS=by datagram")
	}
})
