package test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"relevo/internal/testport"
)

// TestUnitLife: start, status, reload with good and bad releases and configurations, stop, and
// start again.
func TestUnitLife(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "workers = 2\nwatch_binary = false\n")
	s.Systemctl("start", "web.service")
	if got, want := s.Show("web.service", "StatusText"), "2 of 2 workers serve generation 1 on "+s.address; got != want {
		t.Errorf("status %q, want %q", got, want)
	}
	if got := s.get("/"); !strings.HasPrefix(got, "version 1 ") {
		t.Errorf("answer %q", got)
	}
	for variable := range strings.Lines(s.get("/env")) {
		for _, private := range []string{"WATCHDOG_", "FDSTORE", "LISTEN_PIDFDID", "MAINPID"} {
			if strings.HasPrefix(variable, private) {
				t.Errorf("a worker has the master's %s", variable)
			}
		}
	}

	s.release("2", "serve")
	s.Systemctl("reload", "web.service")
	if got := s.get("/"); !strings.HasPrefix(got, "version 2 ") {
		t.Errorf("after the reload: %q", got)
	}
	s.awaitStatus("serve generation 2 on")

	s.release("3", "crash")
	code, out := s.systemctl("reload", "web.service")
	if code == 0 {
		t.Errorf("a reload to a release that crashes succeeded: %s", out)
	}
	s.awaitStatus("the last reload failed: cannot roll to generation 3")
	if got := s.get("/"); !strings.HasPrefix(got, "version 2 ") {
		t.Errorf("after the bad reload: %q", got)
	}
	if got := s.Show("web.service", "ActiveState"); got != "active" {
		t.Errorf("state %s", got)
	}
	s.Await("the reason in the journal", func() bool {
		return strings.Contains(s.Journal("web.service"), "cannot reach the database")
	})

	// A reload by signal is always answered, whether it succeeds or not.
	s.configure("workers = 0x\n")
	s.Systemctl("kill", "--kill-whom=main", "-s", "HUP", "web.service")
	s.awaitStatus("reload failed, the old workers keep serving: " + s.Dir + "/relevo.toml:4")
	s.Await("the end of the reload", func() bool { return s.Show("web.service", "ActiveState") == "active" })
	s.configure("workers = 2\nwatch_binary = false\n")

	before := s.Processes("web.service")
	s.Systemctl("stop", "web.service")
	s.gone(before)
	if got := s.Show("web.service", "Result"); got != "success" {
		t.Errorf("result %s", got)
	}
	s.release("4", "serve")
	s.Systemctl("start", "web.service")
	if got := s.get("/"); !strings.HasPrefix(got, "version 4 ") {
		t.Errorf("after stop and start: %q", got)
	}
	// After relevo stop it stays stopped, too.
	before = s.Processes("web.service")
	if code, out := s.relevo("stop", "web"); code != 0 {
		t.Fatalf("relevo stop: %d %s", code, out)
	}
	s.Await("the service to end", func() bool { return s.Show("web.service", "ActiveState") == "inactive" })
	s.gone(before)
}

// TestUnitStopsGracefully: a stop waits for accepted requests longer than the unit's timeout,
// because the master asks systemd for more time.
func TestUnitStopsGracefully(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "workers = 2\ndrain_timeout = \"20s\"\n")
	s.override("TimeoutStopSec=1")
	s.Systemctl("start", "web.service")
	before := s.Processes("web.service")
	var answers []<-chan error
	for range 8 {
		answers = append(answers, s.ask("/slow?for=3s"))
	}
	s.Systemctl("stop", "web.service")
	for _, answer := range answers {
		if err := <-answer; err != nil {
			t.Errorf("lost: %v", err)
		}
	}
	s.gone(before)
	if got := s.Show("web.service", "Result"); got != "success" {
		t.Errorf("result %s", got)
	}
}

// TestUnitWatchdog: systemd replaces a master whose loop is stuck.
func TestUnitWatchdog(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "workers = 1\n")
	s.override("WatchdogSec=1")
	s.Systemctl("start", "web.service")
	stuck := s.master()
	first := s.Show("web.service", "MainPID")
	// It stays alive while its loop runs.
	s.Await("signs of life", func() bool {
		since, err := strconv.ParseInt(s.Show("web.service", "WatchdogTimestampMonotonic"), 10, 64)
		started, _ := strconv.ParseInt(s.Show("web.service", "ExecMainStartTimestampMonotonic"), 10, 64)
		return err == nil && since-started > 3_000_000
	})
	if got := s.Show("web.service", "MainPID"); got != first {
		t.Fatalf("the main process was replaced: %s became %s", first, got)
	}
	if err := syscall.Kill(stuck, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	s.Await("another master", func() bool {
		return s.Show("web.service", "NRestarts") == "1" && s.Show("web.service", "ActiveState") == "active"
	})
	if !strings.Contains(s.Journal("web.service"), "Watchdog timeout") {
		t.Errorf("the journal does not mention the watchdog:\n%s", s.Journal("web.service"))
	}
	before := s.Processes("web.service")
	s.Systemctl("stop", "web.service")
	s.gone(before)
}

// TestUnitLeavesNoProcess: with KillMode=process a killed master leaves its workers to the next one. If
// there will be no next master, no worker is left.
func TestUnitLeavesNoProcess(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "workers = 2\ndrain_timeout = \"5s\"\nstop_grace = \"1s\"\n")
	for name, end := range map[string]func(){
		"killed while it stops": func() {
			answer := s.ask("/slow?for=3s")
			master := s.master()
			s.Systemctl("stop", "--no-block", "web.service")
			s.awaitStatus("stopping")
			syscall.Kill(master, syscall.SIGKILL)
			if err := <-answer; err != nil {
				s.t.Errorf("lost: %v", err)
			}
		},
		"stopped before it is started again": func() {
			s.override("RestartSec=2s")
			defer s.override("RestartSec=100ms")
			syscall.Kill(s.master(), syscall.SIGKILL)
			s.Await("the pause", func() bool { return s.Show("web.service", "SubState") == "auto-restart" })
			s.Systemctl("stop", "web.service")
		},
		"killed, then stopped": func() {
			syscall.Kill(s.master(), syscall.SIGKILL)
			s.Systemctl("stop", "web.service")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			s.Systemctl("reset-failed")
			s.Systemctl("start", "web.service")
			before := s.Processes("web.service")
			if len(before) < 3 {
				t.Fatalf("processes %v, want a master and two workers", before)
			}
			end()
			s.Await("the service to end", func() bool {
				state := s.Show("web.service", "ActiveState")
				return state == "inactive" || state == "failed"
			})
			s.Await("all processes to end", func() bool {
				// The guard ends the workers, and is the last process to end.
				return len(s.Processes("web.service")) == 0 &&
					!slices.ContainsFunc(before, func(pid int) bool { return syscall.Kill(pid, 0) == nil })
			})
			s.gone(before)
		})
	}
}

// TestSocketUnit: systemd opens the sockets; a restart refuses no client.
func TestSocketUnit(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "workers = 2\n", "--socket", "--now")
	if got := s.get("/"); !strings.HasPrefix(got, "version 1 ") {
		t.Errorf("answer %q", got)
	}
	load := startLoad(s.address)
	for range 3 {
		s.Systemctl("restart", "web.service")
	}
	load.cancel()
	r := <-load.result
	if r.err != nil || r.report.Total.OK == 0 {
		t.Fatalf("the load: %+v, %v", r.report.Total, r.err)
	}
	if n := r.report.Lost(); n > 0 {
		t.Errorf("%d requests lost: %+v", n, r.report.Samples)
	}
	// After a stop it starts again when a client comes.
	s.Systemctl("stop", "web.service")
	if got := s.get("/"); !strings.HasPrefix(got, "version 1 ") {
		t.Errorf("started by a client: %q", got)
	}
	// A socket that is not in the configuration is an error, and remains one.
	s.Systemctl("stop", "web.service", "web.socket")
	s.address = testport.Address(t)
	s.configure("workers = 2\n")
	other := strings.ReplaceAll(mustRead(t, filepath.Join(s.Dir, "relevo.toml")), "web="+s.address, "api="+s.address)
	if err := os.WriteFile(filepath.Join(s.Dir, "relevo.toml"), []byte(other), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _ := s.systemctl("start", "web.service"); code == 0 {
		t.Error("it started with a socket that is not configured")
	}
	s.Await("the reason", func() bool { return strings.Contains(s.Journal("web.service"), `cannot use the socket "web"`) })
	if got := s.Show("web.service", "NRestarts"); got != "0" {
		t.Errorf("it was restarted %s times, which changes nothing", got)
	}
}

// TestForeignVariables: a master that is started by hand ignores systemd's variables for another
// process.
func TestForeignVariables(t *testing.T) {
	t.Parallel()
	s := emptySite(t)
	s.env = append(s.env, "LISTEN_PID=1", "LISTEN_FDS=3", "LISTEN_FDNAMES=a:b:c", "NOTIFY_SOCKET=nowhere",
		"WATCHDOG_USEC=1000", "WATCHDOG_PID=1")
	s.start("run", "--name", "site", "-l", "127.0.0.1:0", "-n", "1", "--", "./app")
	s.settled(1)
	if log := s.log.String(); strings.Count(log, "cannot use NOTIFY_SOCKET") != 1 {
		t.Errorf("NOTIFY_SOCKET is reported %d times, want once:\n%s", strings.Count(log, "cannot use NOTIFY_SOCKET"),
			log)
	}
	body, err := fetch(s.status().Listeners[0].Address, "/env")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(body, "LISTEN_PID=1\n") || strings.Contains(body, "NOTIFY_SOCKET=nowhere") ||
		strings.Contains(body, "WATCHDOG_") {
		t.Errorf("a worker has these variables:\n%s", body)
	}
}
