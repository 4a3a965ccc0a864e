package launch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"relevo/internal/ipc"
	"relevo/internal/testreq"
	"relevo/pool"
)

var notifiesReady = behaves("notify-ready", func() {
	notify("STATUS=loading")
	notify("READY=1\nSTATUS=serving\n")
	notify("WATCHDOG=1")
	notify("STOPPING=1")
	stay()
})

func TestNotifications(t *testing.T) {
	t.Parallel()
	w := notified(t, "web").start(notifiesReady.command())
	var heard []string
	for len(heard) < 4 {
		switch report := w.next().(type) {
		case pool.Said:
			heard = append(heard, fmt.Sprintf("%#v", report.Message))
		case pool.Ready:
			heard = append(heard, "ready by "+report.How)
		case pool.Exited:
			t.Fatalf("the worker ended: %+v", report)
		}
	}
	want := []string{
		fmt.Sprintf("%#v", ipc.Status{Text: "loading"}), fmt.Sprintf("%#v", ipc.Status{Text: "serving"}),
		"ready by notify", fmt.Sprintf("%#v", ipc.Draining{}),
	}
	if !slices.Equal(heard, want) {
		t.Errorf("heard %q, want %q", heard, want)
	}
}

var childNotifies = behaves("notify-by-child", func() {
	child := exec.Command(self())
	child.Env = append(os.Environ(), roleEnv+"=notify-ready")
	fmt.Println(child.Run())
})

// TestWhoNotifies: notifications count from the worker and its process group, and from no other
// process.
func TestWhoNotifies(t *testing.T) {
	t.Parallel()
	r := notified(t, "web")
	w := r.start(neverReady.command())
	expect[pool.Online](w)

	stranger := exec.Command(self())
	stranger.Env = append(os.Environ(), roleEnv+"=notify-ready", "NOTIFY_SOCKET="+r.opts.NotifySocket)
	notifiesReady.used.Store(true)
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("no worker\" pid=%d uid=%d", stranger.Process.Pid, os.Getuid())
	await(t, "the log to name the stranger", func() bool { return strings.Contains(r.log.String(), want) })
	stranger.Process.Kill()
	stranger.Wait()

	child := r.start(childNotifies.command())
	if ready := expect[pool.Ready](child); ready.How != "notify" {
		t.Errorf("the worker is ready by %q", ready.How)
	}
	w.end()
	if saw[pool.Ready](w) || saw[pool.Said](w) {
		t.Errorf("notifications of others were taken for the worker's: %#v", w.seen)
	}
}

func TestSystemdNotify(t *testing.T) {
	t.Parallel()
	testreq.Program(t, "systemd-notify")
	w := notified(t, "web").start(shell("systemd-notify --ready --status=up && exec sleep 60"))
	if ready := expect[pool.Ready](w); ready.How != "notify" {
		t.Errorf("the worker is ready by %q", ready.How)
	}
}

var sendsGarbage = behaves("ipc-garbage", func() {
	fmt.Fprint(openChannel(), "HTTP/1.1 400 Bad Request\r\n\r\n")
	notify("STATUS=still here")
	stay()
})

var sendsTooMuch = behaves("ipc-2MiB", func() {
	fmt.Fprintf(openChannel(), "%q\n", strings.Repeat("x", 2<<20))
	notify("STATUS=still here")
	stay()
})

// TestBrokenChannel: a worker that does not speak the protocol loses its channel and nothing else.
func TestBrokenChannel(t *testing.T) {
	t.Parallel()
	for says, b := range map[string]*behaviour{
		`cannot read "HTTP/1.1 400 Bad Request": not one JSON value`: sendsGarbage,
		"ipc: line longer than 1 MiB":                                sendsTooMuch,
	} {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			w := notified(t, "web").start(b.command())
			for !saw[pool.Disconnected](w) || !saw[pool.Said](w) {
				if report, ok := w.next().(pool.Disconnected); ok && report.Reason != says {
					t.Errorf("disconnected: %q, want %q", report.Reason, says)
				}
			}
			if err := w.Send(ipc.Drain{}); err != ipc.ErrClosed {
				t.Errorf("Send: %v, want ErrClosed", err)
			}
			if dead(w.PID()) {
				t.Error("the worker is dead")
			}
		})
	}
}

// toldBeforeAdoption makes a worker say that it is warm, and ready, before the next master adopts
// it.
func toldBeforeAdoption(t *testing.T) (*rig, *Release, *worker, pool.ProcessLegacy) {
	t.Helper()
	r := notified(t, "web")
	release := r.prepare(neverReady.command())
	w := r.startOf(release, order)
	expect[pool.Online](w)
	legacy, err := w.Process.Detach(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	from := ipc.Sender{PID: w.PID()}
	r.unregister(w.Process.(*Process)) // the next master knows no worker yet
	if !r.Announce(legacy) {
		t.Fatal("the worker cannot be adopted")
	}
	r.Notified(from, ipc.Notification{"STATUS": "warm"})
	r.Notified(from, ipc.Notification{"READY": "1"})
	return r, release, w, legacy
}

// TestNotifiedBeforeAdoption: a master that takes over reads the notify socket before it has adopted
// its workers. What they say meanwhile counts when they are adopted, in the same order.
func TestNotifiedBeforeAdoption(t *testing.T) {
	t.Parallel()
	r, release, w, legacy := toldBeforeAdoption(t)
	if strings.Contains(r.log.String(), "no worker") {
		t.Error(r.log.String())
	}
	w.adopt(release, order, legacy)
	if said := expect[pool.Said](w); said.Message != (ipc.Status{Text: "warm"}) {
		t.Errorf("the worker said %#v", said.Message)
	}
	if ready := expect[pool.Ready](w); ready.How != "notify" {
		t.Errorf("the worker is ready by %q", ready.How)
	}
	if len(r.expected) != 0 {
		t.Errorf("still expected: %v", r.expected)
	}
}

// TestNotifiedBetweenMasters: a master has adopted a worker, but not yet reported all that the
// worker said before. The master that follows it knows that the worker is ready.
func TestNotifiedBetweenMasters(t *testing.T) {
	t.Parallel()
	_, release, w, legacy := toldBeforeAdoption(t)
	tells, goesOn, followed := make(chan struct{}, 10), make(chan struct{}), make(chan struct{})
	slowly := func(report pool.Report) {
		tells <- struct{}{}
		<-goesOn
		if !isClosed(followed) { // a pool that was handed over gets no reports
			w.sink(report)
		}
	}
	process, err := release.Adopt(order, legacy, slowly)
	if err != nil {
		t.Fatal(err)
	}
	<-tells // the first report: it is warm
	go func() {
		defer close(followed)
		legacy, err = process.Detach(t.Context())
	}()
	await(t, "the master to let it go", func() bool { return isClosed(process.(*Process).detached) })
	close(goesOn)
	<-followed
	if err != nil {
		t.Fatal(err)
	}
	w.adopt(release, order, legacy)
	if ready := expect[pool.Ready](w); ready.How != "notify" {
		t.Errorf("the worker is ready by %q", ready.How)
	}
}

// TestRegister: a pid that was used again belongs to its new process. A sender that the kernel
// cannot name is ignored.
func TestRegister(t *testing.T) {
	r := newRig(t)
	first, second := &Process{pid: 1 << 30}, &Process{pid: 1 << 30}
	r.register(first)
	r.register(second)
	r.unregister(first)
	if r.byPID[1<<30] != second {
		t.Error("the end of one worker removed the entry of the other")
	}
	r.unregister(second)
	if len(r.byPID) != 0 {
		t.Errorf("%d entries are left", len(r.byPID))
	}

	r.register(&Process{pid: processGroup(0)})
	r.Notified(ipc.Sender{}, ipc.Notification{"READY": "1"}) // with pid 0 it would find the group of this process
	wantError(t, r.log.String(), "a process that is no worker", "pid=0")
}

// TestOnlineFirst: a worker may speak before it is certain which program it runs. What it says is
// reported after Online, or not at all.
func TestOnlineFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t, "web")
	release := r.prepare(shell("exit 0"))
	for name, result := range map[string]launchResult{
		"sound": {execed: true}, "other bytes": {execed: true, changed: errors.New("other bytes")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := r.newWorker()
				p := newProcess(release, pool.Order{}, w.sink)
				p.handle.reaped = true // there is no process
				said, launched := make(chan struct{}), make(chan launchResult, 1)
				p.notified(ipc.Notification{"STATUS": "early"})
				go func() {
					p.said(ipc.Ready{})
					close(said)
				}()
				synctest.Wait() // the report waits for the launch, or came too early
				if len(w.reports) > 0 {
					t.Errorf("%#v was reported of an unknown process", <-w.reports)
				}
				launched <- result
				p.awaitOnline(launched)
				<-said
				var told []string
				for len(w.reports) > 0 {
					told = append(told, fmt.Sprintf("%T", <-w.reports))
				}
				want := []string{"pool.Online", "pool.Said", "pool.Ready"}
				if result.changed != nil {
					want = nil
				}
				if !slices.Equal(told, want) {
					t.Errorf("told %q, want %q", told, want)
				}
			})
		})
	}
}

// TestDetachableWhileReady: a worker says that it is ready before it is certain which program it
// runs, while the pool is frozen for another master and saves nothing. The process can be detached
// then.
func TestDetachableWhileReady(t *testing.T) {
	t.Parallel()
	r := newRig(t, "web")
	release := r.prepare(shell("exit 0"))
	synctest.Test(t, func(t *testing.T) {
		w := r.newWorker()
		w.holdsSaves = true
		p := newProcess(release, pool.Order{}, w.sink)
		p.notified(ipc.Notification{"READY": "1"})
		launched, online := make(chan launchResult, 1), make(chan struct{})
		launched <- launchResult{execed: true}
		go func() {
			defer close(online)
			p.awaitOnline(launched)
		}()
		synctest.Wait()
		if !isClosed(p.launched) || isClosed(online) {
			t.Errorf("launched: %t, all reported: %t", isClosed(p.launched), isClosed(online))
		}
		close(p.detached)
		<-online
		if !p.isSettled() {
			t.Error("the worker is not ready")
		}
		close(p.gone)
		p.watches.Wait()
	})
}
