package launch

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"relevo/internal/config"
	"relevo/internal/ipc"
	"relevo/pool"
)

// openChannel opens a worker's end of its channel.
func openChannel() *os.File {
	fd, err := strconv.Atoi(os.Getenv(ipc.EnvFD))
	if err != nil {
		fmt.Println("no channel:", err)
		os.Exit(2)
	}
	return os.NewFile(uintptr(fd), "ipc")
}

// notify sends a datagram to the notify socket.
func notify(text string) {
	conn, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err == nil {
		_, err = conn.Write([]byte(text))
		conn.Close()
	}
	if err != nil {
		fmt.Println("cannot notify:", err)
		os.Exit(2)
	}
}

// speaks does one step after the other: it writes a line to the channel ({…), sends a datagram
// (NAME=…), waits in accept, which the kernel shows, or waits for a message.
var speaks = behaves("speak", func() {
	channel := openChannel()
	for step := range strings.SplitSeq(os.Getenv("STEPS"), "|") {
		switch {
		case strings.HasPrefix(step, "{"):
			fmt.Fprintln(channel, step)
		case step == "accept":
			ln, err := net.FileListener(os.NewFile(3, "listener"))
			if err != nil {
				fmt.Println(err)
				os.Exit(2)
			}
			go ln.Accept()
		case step == "wait":
			ipc.NewReader(channel).Next()
		default:
			notify(step)
		}
	}
	stay()
})

func (r *rig) speaker(ready config.ReadyMode, steps ...string) *worker {
	r.t.Helper()
	c := speaks.command("STEPS=" + strings.Join(steps, "|"))
	c.Ready = config.Ready{Mode: ready}
	return r.start(c)
}

const (
	sayReady  = `{"relevo":"ready"}`
	sayLoad   = `{"relevo":"load","value":0.2}`
	sayHello  = `{"relevo":"hello","protocol":1}`
	saySync   = `{"relevo":"status","text":"all said"}`
	syncByUDP = "STATUS=all said"
)

// TestReadyModes: which sign of readiness counts in which mode, and which one is reported. For
// workers that do not get ready, their last message shows that all before it was read.
func TestReadyModes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode  config.ReadyMode
		steps []string
		how   string // empty: never ready
	}{
		{config.ReadyAuto, []string{sayReady}, "ipc"},
		{config.ReadyAuto, []string{sayHello, sayReady}, "ipc"},
		{config.ReadyAuto, []string{"READY=1"}, "notify"},
		{config.ReadyAuto, []string{"STATUS=starting\nREADY=1\nMAINPID=1"}, "notify"},
		{config.ReadyAuto, []string{"accept"}, "observed"},
		{config.ReadyAuto, []string{sayLoad, "accept"}, "observed"},
		{config.ReadyIPC, []string{"READY=1", sayReady}, "ipc"},
		{config.ReadyIPC, []string{"READY=1", "accept", syncByUDP}, ""},
		{config.ReadyNotify, []string{sayReady, "READY=1"}, "notify"},
		{config.ReadyNotify, []string{sayReady, "accept", saySync}, ""},
		{config.ReadyNotify, []string{"READY=0", "READY=yes", "STOPPING=1", syncByUDP}, ""},
		{"", []string{sayReady}, "ipc"}, // the zero value is auto
	} {
		t.Run(fmt.Sprint(c.mode, c.steps), func(t *testing.T) {
			t.Parallel()
			w := notified(t, "web").speaker(c.mode, c.steps...)
			if c.how != "" {
				if ready := expect[pool.Ready](w); ready.How != c.how {
					t.Errorf("the worker is ready by %q, want %q", ready.How, c.how)
				}
				return
			}
			for expect[pool.Said](w).Message != (ipc.Status{Text: "all said"}) {
			}
			w.end()
			if saw[pool.Ready](w) {
				t.Errorf("the worker is ready: %#v", w.seen)
			}
		})
	}
}

func TestReadyOnce(t *testing.T) {
	t.Parallel()
	w := notified(t, "web").speaker(config.ReadyAuto, sayReady, "READY=1", sayReady, "accept", "READY=1", syncByUDP)
	for expect[pool.Said](w).Message != (ipc.Status{Text: "all said"}) {
	}
	w.end()
	times := 0
	for _, report := range w.seen {
		if _, ready := report.(pool.Ready); ready {
			times++
		}
	}
	if times != 1 {
		t.Errorf("the worker got ready %d times", times)
	}
}

func TestReadyByDelay(t *testing.T) {
	t.Parallel()
	const delay = 150 * time.Millisecond
	r := notified(t, "web")
	c := speaks.command("STEPS=" + strings.Join([]string{sayReady, "READY=1", "accept"}, "|"))
	c.Ready = config.Ready{Mode: config.ReadyDelay, Delay: delay}
	began := time.Now()
	w := r.start(c)
	if ready := expect[pool.Ready](w); ready.How != "delay" || time.Since(began) < delay {
		t.Errorf("the worker is ready by %q after %v", ready.How, time.Since(began))
	}

	c = shell("exit 1")
	c.Ready = config.Ready{Mode: config.ReadyDelay, Delay: time.Hour}
	w = r.start(c)
	w.exit()
	if saw[pool.Ready](w) {
		t.Error("a dead worker is ready")
	}
}

// TestReadyByLiving: without a listener there is nothing to observe. A worker that does not die at
// once is ready, unless it has said that it reports its readiness itself.
func TestReadyByLiving(t *testing.T) {
	t.Parallel()
	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		w := newRig(t).start(Command{App: "app", Args: []string{"sleep", "60"}})
		expect[pool.Online](w)
		online := time.Now()
		if ready := expect[pool.Ready](w); ready.How != "alive" || time.Since(online) < aliveFor/2 {
			t.Errorf("the worker is ready by %q after %v", ready.How, time.Since(online))
		}
	})
	t.Run("dies at once", func(t *testing.T) {
		t.Parallel()
		w := newRig(t).start(shell("exit 1"))
		if w.exit(); saw[pool.Ready](w) {
			t.Error("a dead worker is ready")
		}
	})
	t.Run("says ready", func(t *testing.T) {
		t.Parallel()
		w := newRig(t).speaker(config.ReadyAuto, sayReady)
		if ready := expect[pool.Ready](w); ready.How != "ipc" {
			t.Errorf("the worker is ready by %q", ready.How)
		}
	})
	for name, mode := range map[string]config.ReadyMode{"says hello": config.ReadyAuto,
		"silent in mode ipc": config.ReadyIPC} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRig(t).speaker(mode, sayHello)
			expect[pool.Said](w)
			w.staysUnreadyFor(aliveFor + 8*observeEvery)
		})
	}
}

// computes until a file exists, as a program that starts, and waits then.
var computes = behaves("computes", func() {
	for {
		if _, err := os.Stat(os.Getenv("UNTIL")); err == nil {
			stay()
		}
	}
})

// undecided are the sockets of an app of which it is not known whether its programs bind.
type undecided struct{ common }

func (undecided) Expected() bool { return false }
func (undecided) First() bool    { return true }

// TestBooting: a worker of an app's first release that still computes after a second is not ready,
// because it may be about to bind. A worker that waits serves no port, and is ready.
func TestBooting(t *testing.T) {
	t.Parallel()
	until := filepath.Join(t.TempDir(), "booted")
	c := computes.command("UNTIL=" + until)
	c.Sockets = undecided{}
	began := time.Now()
	w := newRig(t).start(c)
	enough := time.After(aliveFor + 2*bootLook)
	for booting := true; booting; {
		select {
		case report := <-w.reports:
			w.take(report)
		case <-enough:
			booting = false
		}
	}
	if saw[pool.Ready](w) && time.Since(began) < longestBoot {
		t.Error("the worker is ready while it starts")
	}
	if err := os.WriteFile(until, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if ready := expect[pool.Ready](w); ready.How != byLiving {
		t.Errorf("the worker is ready by %q", ready.How)
	}
}

var neverReady = behaves("never-ready", func() {
	fmt.Println("waiting for the database")
	stay()
})

// TestNeverReady also covers a worker that says hello and then accepts: a worker that reports its
// readiness itself is ready only when it says so.
func TestNeverReady(t *testing.T) {
	t.Parallel()
	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		w := notified(t, "web").start(neverReady.command())
		expect[pool.Online](w)
		w.staysUnready()
	})
	for _, first := range []string{sayHello, "STATUS=starting"} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			r := notified(t, "web")
			w := r.speaker(config.ReadyAuto, first, "wait", "accept")
			expect[pool.Said](w)
			if err := w.Send(ipc.App{Data: []byte("1")}); err != nil {
				t.Fatal(err)
			}
			look := newObserver(w.PID(), r.listeners)
			await(t, "it to accept", look.waits)
			w.staysUnready()
		})
	}
	for _, mode := range []config.ReadyMode{config.ReadyIPC, config.ReadyNotify} {
		t.Run("accepts in mode "+string(mode), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, "web")
			w := r.speaker(mode, "accept")
			expect[pool.Online](w)
			await(t, "it to accept", newObserver(w.PID(), r.listeners).waits)
			w.staysUnready()
		})
	}
	t.Run("application message", func(t *testing.T) {
		t.Parallel()
		w := notified(t, "web").speaker(config.ReadyAuto, `{"app":1}`, "accept")
		if ready := expect[pool.Ready](w); ready.How != "observed" {
			t.Errorf("the worker is ready by %q, but any Node program sends messages", ready.How)
		}
	})
}

// staysUnready gives the observer time for several looks, and then ends the worker.
func (w *worker) staysUnready() {
	w.t.Helper()
	w.staysUnreadyFor(8 * observeEvery)
}

func (w *worker) staysUnreadyFor(patience time.Duration) {
	w.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case report := <-w.reports:
			if w.take(report); w.exited != nil {
				w.t.Fatalf("the worker ended: %+v", report)
			}
			continue
		case <-deadline:
		}
		break
	}
	w.end()
	if saw[pool.Ready](w) {
		w.t.Errorf("the worker got ready: %#v", w.seen)
	}
}
