package test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"relevo/internal/testreq"
	"relevo/pool"
)

// limitsConfig is a site of two workers with limits.
const limitsConfig = `
name = "site"
command = ["./app"]
listen = ["127.0.0.1:0"]
workers = 2
watch_binary = false
drain_timeout = "5s"
stop_grace = "1s"
`

// recycledInTurn waits for n recyclings and checks that each is over before the next begins.
func recycledInTurn(events *eventLog, n int) []pool.Event {
	t := events.site.t
	t.Helper()
	recycled := events.await(pool.KindRecycle, n)[:n]
	ready := events.of(pool.KindReady)
	for i := range n - 1 {
		from, to := recycled[i], recycled[i+1]
		between := slices.ContainsFunc(ready, func(e pool.Event) bool {
			return *e.Slot == *from.Slot && e.Time.After(from.Time) && !e.Time.After(to.Time)
		})
		if !between {
			t.Errorf("worker %s was recycled while %s was not yet replaced", to.ID, from.ID)
		}
	}
	return recycled
}

// TestMaxMemory: workers that use too much memory are replaced, one at a time, and no request is
// lost.
func TestMaxMemory(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newSiteFrom(t, limitsConfig+"[limits]\nmax_memory = \"90MiB\"")
	before := s.settled(2)
	events := s.record()
	end := s.load()
	defer end()
	s.tell(0, "eat-memory")
	s.tell(1, "eat-memory")
	for _, e := range recycledInTurn(events, 2) {
		if !regexp.MustCompile(`^uses [1-9]\d\d MiB, max_memory is 90 MiB$`).MatchString(e.Reason) {
			t.Errorf("the reason of worker %s: %q", e.ID, e.Reason)
		}
	}
	s.await("new workers", func() bool {
		now := s.settled(2)
		return !slices.Contains(now, before[0]) && !slices.Contains(now, before[1])
	})
	if report := end(); report.Lost() > 0 || report.Total.OK == 0 {
		t.Errorf("%+v %+v", report.Total, report.Samples)
	}
}

// TestMaxLifetime: workers that started together end one after the other.
func TestMaxLifetime(t *testing.T) {
	t.Parallel()
	s := newSiteFrom(t, limitsConfig+"[limits]\nmax_lifetime = \"1s\"\nlifetime_jitter = \"50%\"")
	events := s.record()
	end := s.load()
	defer end()
	for _, e := range recycledInTurn(events, 4) {
		if !regexp.MustCompile(`^lived for \d+s, max_lifetime is 1s$`).MatchString(e.Reason) {
			t.Errorf("the reason of worker %s: %q", e.ID, e.Reason)
		}
	}
	if report := end(); report.Lost() > 0 || report.Total.OK == 0 {
		t.Errorf("%+v %+v", report.Total, report.Samples)
	}
}

// TestWatchdogByNotify: a worker that has pinged by WATCHDOG=1 and stops doing so is replaced; the
// other worker is not.
func TestWatchdogByNotify(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := emptySite(t)
	s.release("1", "notify")
	s.configure(limitsConfig + "ready = \"notify\"\n[limits]\nwatchdog = \"5s\"")
	s.start("run")
	s.settled(2)
	if env, err := fetch(s.status().Listeners[0].Address, "/env"); err != nil ||
		!strings.Contains(env, "\nWATCHDOG_USEC=5000000\n") {
		t.Errorf("WATCHDOG_USEC is missing: %v: %s", err, env)
	}
	events := s.record()
	silent, sibling := s.inSlot(0), s.inSlot(1)
	syscall.Kill(silent.PID, syscall.SIGUSR2)
	wantHung(t, events, silent, sibling)
}

// TestWatchdogByPing: a stopped worker does not answer the master's ping and is replaced. Clients
// of the other worker notice nothing.
func TestWatchdogByPing(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newSiteFrom(t, limitsConfig+"[limits]\nwatchdog = \"5s\"")
	s.settled(2)
	events := s.record()
	end := s.load()
	defer end()
	stopped, sibling := s.inSlot(0), s.inSlot(1)
	if _, err := s.client.Signal(context.Background(), pool.Target{ID: stopped.ID}, "STOP"); err != nil {
		t.Fatal(err)
	}
	wantHung(t, events, stopped, sibling)
	report := end()
	lost := report.Total.Lost
	if other := lost.Total() - lost.EOF - lost.Reset - lost.Timeout; other > 0 || report.Total.OK == 0 {
		t.Errorf("%+v %+v", report.Total, report.Samples)
	}
	t.Logf("lost with the stopped worker: %+v", lost)
}

// wantHung checks that one worker is reported as hung and replaced, and that the other worker stays.
func wantHung(t *testing.T, events *eventLog, silent, sibling pool.Worker) {
	t.Helper()
	s := events.site
	hung := events.await(pool.KindHung, 1)[0]
	if hung.ID != silent.ID || hung.Reason != "hung: no sign of life for 5s" {
		t.Errorf("worker %s is hung: %q; want worker %s", hung.ID, hung.Reason, silent.ID)
	}
	s.await("the successor", func() bool { return s.inSlot(0).ID != silent.ID })
	s.await("the end of the hung worker", func() bool { return syscall.Kill(silent.PID, 0) != nil })
	if now := s.inSlot(1); now.ID != sibling.ID {
		t.Errorf("worker %s serves in the place of the sibling %s", now.ID, sibling.ID)
	}
}

// TestWorkerLimits reads the workers' limits from the kernel.
func TestWorkerLimits(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/oom_score_adj"); err != nil {
		testreq.Missing(t, err.Error())
	}
	s := newSiteFrom(t, limitsConfig+`
[limits]
nice = 5
oom_score_adj = 500
umask = "0027"
[limits.rlimits]
nofile = 512
core = 0
`)
	s.settled(2)
	for _, slot := range []int{0, 1} {
		p := fmt.Sprintf("/proc/%d/", s.inSlot(slot).PID)
		for file, want := range map[string]string{
			"limits":        `(?s)Max core file size +0 +0 .*Max open files +512 +512 `,
			"oom_score_adj": `^500\n`,
			"status":        `(?m)^Umask:\s0027$`,
			"stat":          `\) \S (\S+ ){15}5 `, // the 19th field of proc_pid_stat(5)
		} {
			text, err := os.ReadFile(p + file)
			if err != nil || !regexp.MustCompile(want).Match(text) {
				t.Errorf("%s%s does not match %q: %v\n%s", p, file, want, err, text)
			}
		}
	}
}

// TestWorkerUser: workers of another user get ready by the notify socket, and a kept release runs as
// that user, too.
func TestWorkerUser(t *testing.T) {
	t.Parallel()
	testreq.Root(t)
	s := emptySite(t)
	s.release("1", "notify")
	if err := os.Chmod(s.dir, 0o755); err != nil { // so that the user can run ./app
		t.Fatal(err)
	}
	s.configure(limitsConfig + "ready = \"notify\"\nready_timeout = \"20s\"\ncanary = \"50ms\"\n" +
		"exec_from = \"snapshot\"\n[limits]\nuser = \"nobody\"\ngroup = \"65533\"")
	s.start("run")
	s.settled(2)
	s.release("2", "notify")
	for _, command := range [][]string{{"reload", "site"}, {"rollback", "site"}} {
		if code, said := s.relevo(command...); code != 0 {
			t.Fatalf("%s: %d: %s", command[0], code, said)
		}
	}
	s.settled(2)
	if body, err := fetch(s.status().Listeners[0].Address, "/"); err != nil || !strings.HasPrefix(body, "version 1 ") {
		t.Errorf("%q, %v; want version 1", body, err)
	}
	w := s.inSlot(0)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.PID))
	if err != nil || !regexp.MustCompile(`(?m)^Uid:(\t65534){4}$`).Match(text) ||
		!regexp.MustCompile(`(?m)^Gid:(\t65533){4}$`).Match(text) {
		t.Errorf("the worker runs as another user: %v\n%s", err, text)
	}
	if file, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", w.PID)); err != nil ||
		!strings.HasPrefix(file, filepath.Join(s.dir, "state")) {
		t.Errorf("the worker runs %s, %v; want the kept copy", file, err)
	}
}
