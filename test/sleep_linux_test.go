package test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"relevo/internal/procfs"
	"relevo/internal/testport"
	"relevo/pool"
)

// sleeps waits until the app sleeps and has no process.
func (s *site) sleeps() {
	s.t.Helper()
	s.await("the app to sleep", func() bool {
		status := s.status()
		return status.State == "asleep" && !status.Asleep.IsZero() && len(status.Workers) == 0
	})
}

// answered requires an answer with this text.
func (s *site) answered(address, want string) {
	s.t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	if got := askOn(s.t, conn); !strings.Contains(got, want) {
		s.t.Errorf("the answer is %q, want %q", got, want)
	}
}

// askOn requests a page on a connection and returns the whole answer.
func askOn(t *testing.T, conn net.Conn) string {
	t.Helper()
	conn.SetDeadline(time.Now().Add(tooLong))
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	answer := new(strings.Builder)
	for buffer := make([]byte, 4096); ; {
		n, err := conn.Read(buffer)
		answer.Write(buffer[:n])
		if err != nil {
			return answer.String()
		}
	}
}

// TestSleep: without clients no worker is left, and health checks start none, but the next client
// does. It is served by a release that came meanwhile, or by the old one if the new one fails.
// Masters follow each other while the app sleeps.
func TestSleep(t *testing.T) {
	t.Parallel()
	s := newSite(t, "-n", "0..2", "--idle", "1s", "--health", "/", "--health-interval", "200ms", "--canary", "10ms")
	events := s.record()
	address := s.status().Listeners[0].Address
	s.sleeps()
	if children, err := procfs.Of(s.status().PID).Children(); err != nil || len(children) > 0 {
		t.Errorf("the master has the children %v (%v) while the app sleeps", children, err)
	}
	for what, args := range map[string][]string{
		"\nworkers: none for ": {"status"}, "no worker is asked while the app sleeps": {"status"}, " asleep ": {"list"},
	} {
		if _, said := s.relevo(args...); !strings.Contains(said, what) {
			t.Errorf("relevo %v says\n%s", args, said)
		}
	}
	if code, said := s.relevo("send", "1"); code != 75 || !strings.Contains(said, "relevo scale 1 starts one") {
		t.Errorf("send to an app that sleeps: exit status %d: %s", code, said)
	}
	s.answered(address, "version 1")
	events.await(pool.KindWake, 1)

	s.sleeps()
	s.release("2", "serve")
	s.await("the release to be noted", func() bool { return s.status().Noted != nil })
	s.answered(address, "version 2")
	s.sleeps()
	s.release("3", "crash")
	s.await("the release to be noted", func() bool { return s.status().Noted != nil })
	s.upgrade()
	if status := s.status(); status.State != "asleep" || status.Noted == nil {
		t.Errorf("after a succession: %s, noted %v", status.State, status.Noted)
	}
	s.answered(address, "version 2")
	if last := s.status().LastRoll; last == nil || last.Result != "rolled-back" {
		t.Errorf("the last roll: %+v", last)
	}

	s.sleeps()
	s.release("4", "serve")
	if code, said := s.relevo("reload"); code != 0 {
		t.Errorf("reload of an app that sleeps: exit status %d: %s", code, said)
	}
	s.sleeps()
	s.says("site: from 0 to 2 workers", "scale", "2")
	s.settled(2)
	s.says("site: from 2 to 2 workers; the load decides from now on", "scale", "auto")
	s.sleeps()
	s.stop()
}

// TestSleepHangingRelease: a client that wakes the app does not wait for a release that hangs at its
// start: the old release answers, while the new one gets its time. The next release replaces it.
func TestSleepHangingRelease(t *testing.T) {
	t.Parallel()
	for _, behaviour := range []string{"serve", "binds"} {
		t.Run(behaviour, func(t *testing.T) {
			takesLongUnless(t, behaviour == "binds")
			t.Parallel()
			s := emptySite(t)
			s.release("1", behaviour)
			flags := []string{"run", "--name", "site", "-n", "0..2", "--idle", "1s", "--canary", "10ms", "--ready-timeout", "1h"}
			address := testport.Address(t)
			if behaviour == "serve" {
				flags = append(flags, "-l", address)
			}
			s.start(append(flags, "--", "./app", address)...)
			s.sleeps()
			s.release("2", "never-ready")
			s.await("the release to be noted", func() bool { return s.status().Noted != nil })
			s.answered(address, "version 1")
			if status := s.status(); status.Rolling == nil || status.LastRoll != nil {
				t.Errorf("the hanging release is not tried any more: %+v, last roll %+v", status.Rolling, status.LastRoll)
			}
			s.release("3", behaviour)
			s.await("the next release, and the end of the old one, which may still accept", func() bool {
				status := s.status()
				old := func(w pool.Worker) bool { return w.Generation != status.Generation }
				return status.LastRoll != nil && status.LastRoll.Result == "ok" && !slices.ContainsFunc(status.Workers, old)
			})
			s.answered(address, "version 3")
			s.stop()
		})
	}
}

// TestSleepOfPrograms: programs that bind their own port and send no messages sleep, too. Every
// client that comes while the last worker leaves is served.
func TestSleepOfPrograms(t *testing.T) {
	t.Parallel()
	for _, behaviour := range []string{"binds", "binds-udp", "binds-unix"} {
		t.Run(behaviour, func(t *testing.T) {
			takesLongUnless(t, behaviour == "binds")
			t.Parallel()
			s := emptySite(t)
			s.release("1", behaviour)
			network, address := "tcp", testport.Address(t)
			switch behaviour {
			case "binds-udp":
				network = "udp"
			case "binds-unix":
				network, address = "unix", filepath.Join(s.dir, "s")
			}
			flags := []string{"run", "--name", "site", "-n", "0..2", "--idle", "1s"}
			if network == "tcp" { // a check by relevo is no client
				flags = append(flags, "--health", "/", "--health-interval", "300ms")
			}
			s.start(append(flags, "--", "./app", address)...)
			events := s.record()
			ask := func() {
				var conn net.Conn
				s.await("the socket", func() (is bool) { // the program removes the path of its Unix socket
					var err error
					conn, err = net.Dial(network, address)
					return err == nil
				})
				defer conn.Close()
				if network != "udp" {
					if got := askOn(t, conn); !strings.Contains(got, "version 1") {
						t.Errorf("the answer is %q", got)
					}
					return
				}
				conn.SetDeadline(time.Now().Add(tooLong))
				answer := make([]byte, 100)
				fmt.Fprint(conn, "x")
				if n, err := conn.Read(answer); err != nil || string(answer[:n]) != "version 1" {
					t.Errorf("the answer is %q, %v", answer[:n], err)
				}
			}
			for n := range 2 {
				s.sleeps()
				ask()
				events.await(pool.KindWake, n+1)
			}
			if network != "tcp" {
				return // datagrams that the worker has taken from a shared socket are lost when it ends
			}
			for n := range 3 { // at the moment when the workers leave
				events.await(pool.KindSleep, n+3)
				for ask(); len(events.of(pool.KindWake)) < n+3; ask() {
				} // the leaving worker may have served the first clients
			}
		})
	}
}

// TestNoSleep: an app that listens where no client could wake it does not sleep, and the status says
// why.
func TestNoSleep(t *testing.T) {
	t.Parallel()
	s := emptySite(t)
	s.release("1", "binds")
	s.start("run", "--name", "site", "-n", "0..2", "--idle", "1s", "-l", "127.0.0.1:0", "--capture", "off", "--ready",
		"delay=1ms", "--", "./app", testport.Address(t))
	s.await("a warning", func() bool { return strings.Contains(strings.Join(s.status().Warnings, "\n"), "by itself") })
	if status := s.status(); status.State != "running" {
		t.Errorf("the app is %s", status.State)
	}
}

// switches counts how often the threads of a process have waited for something.
func switches(t *testing.T, pid int) (n int) {
	t.Helper()
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(text), "\nvoluntary_ctxt_switches:")
		count, err := strconv.Atoi(strings.Fields(after)[0])
		if err != nil {
			t.Fatal(err)
		}
		n += count
	}
	return n
}

// runtimeSwitches is how often the threads of an idle Go program wake up in a minute: once a minute
// the runtime checks whether it has to collect garbage, and may do so.
const runtimeSwitches = 8

// TestAsleepMasterRests: while the app sleeps the master never wakes up, even with all features that
// look at workers.
func TestAsleepMasterRests(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newSite(t, "-n", "0..2", "--idle", "1s", "--health", "/", "--health-interval", "200ms", "--max-memory", "1GiB",
		"--schedule", "0 4 * * *")
	s.sleeps()
	pid := s.status().PID
	// The runtime and the watch of the listeners come to rest some seconds after the last worker has
	// gone.
	during := func(length time.Duration) int {
		before := switches(t, pid)
		time.Sleep(length) // the test proves that nothing happens in this time
		return switches(t, pid) - before
	}
	s.await("the master to come to rest", func() bool { return during(5*time.Second) == 0 })
	if n := during(time.Minute); n > runtimeSwitches {
		t.Errorf("the threads of the master woke up %d times in a minute", n)
	}
	s.answered(s.status().Listeners[0].Address, "version 1")
}

// TestWakesWithoutLoss: a hundred times a client comes to an app that sleeps, or that is about to
// sleep.
func TestWakesWithoutLoss(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := emptySite(t)
	s.release("1", "binds")
	s.start("run", "--name", "site", "-n", "0..2", "--idle", "1s", "--", "./app", testport.Address(t))
	events := s.record()
	address := s.status().Listeners[0].Address
	for n := range 100 {
		events.await(pool.KindSleep, n+1)
		if n%2 == 0 {
			s.sleeps()
		}
		for len(events.of(pool.KindWake)) <= n { // the leaving worker may serve the first clients
			if err := askAlone(address); err != nil {
				t.Fatalf("client of wake-up %d: %v", n+1, err)
			}
		}
	}
}

// TestSleepSurvivesMaster: under systemd the app stays asleep when its master dies, and clients that
// come before the next master are served.
func TestSleepSurvivesMaster(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "workers = \"0..2\"\nidle = \"1s\"\nwatch_binary = false\n")
	s.Systemctl("start", "web.service")
	sleeps := func() {
		s.Await("the app to sleep", func() bool {
			status, err := s.app()
			return err == nil && status.State == "asleep" && len(status.Workers) == 0
		})
	}
	for range 3 {
		sleeps()
		s.murder()
		sleeps()
		s.murder()
		if err := askAlone(s.address); err != nil {
			t.Error(err)
		}
	}
}

// TestSleepOfProgramsContinues: sockets that the sleeping generation has bound wake it under the next
// master, too, although the new release that waits has bound none.
func TestSleepOfProgramsContinues(t *testing.T) {
	t.Parallel()
	s := emptySite(t)
	s.release("1", "binds")
	address := testport.Address(t)
	s.start("run", "--name", "site", "-n", "0..2", "--idle", "1s", "--canary", "10ms", "--", "./app", address)
	s.sleeps()
	s.release("2", "binds")
	s.await("the release to be noted", func() bool { return s.status().Noted != nil })
	s.upgrade()
	s.answered(address, "version 2")
	s.stop()
}
