package test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"relevo/pool"

	"relevo/internal/testport"
)

// healthSite runs workers that bind their port themselves and are checked at /healthz.
func healthSite(t *testing.T, behaviour string, workers int, more string) *site {
	t.Helper()
	s := emptySite(t)
	s.release("1", behaviour)
	s.configure(healthConfiguration(t, workers, more))
	s.start("run")
	s.settled(workers)
	s.await("the program to bind its port", func() bool { return len(s.status().Listeners) > 0 })
	return s
}

func healthConfiguration(t *testing.T, workers int, more string) string {
	return fmt.Sprintf(`name = "site"
command = ["./app", "%s"]
workers = %d
canary = "100ms"
stop_grace = "500ms"
drain_timeout = "1s"
watch_binary = false
%s
[health]
http = "/healthz"
interval = "500ms"
timeout = "500ms"
`, testport.Address(t), workers, more)
}

// well waits until n workers have answered well.
func (s *site) well(workers int) {
	s.t.Helper()
	s.await(fmt.Sprintf("%d workers to answer well", workers), func() bool {
		n := 0
		for _, w := range s.status().Workers {
			if w.Health != nil && w.Health.OK && w.Health.MaxMS > 0 {
				n++
			}
		}
		return n == workers
	})
}

// makeIll makes one worker ill and returns its pid.
func (s *site) makeIll(how string) int {
	s.t.Helper()
	said, err := fetch(s.status().Listeners[0].Address, "/ail?how="+how)
	pid, _ := strconv.Atoi(said)
	if err == nil && how == "stop" {
		err = syscall.Kill(pid, syscall.SIGSTOP)
	}
	if err != nil {
		s.t.Fatalf("no worker could be made ill: %q, %v", said, err)
	}
	return pid
}

// TestHealthReplaces: a worker that answers 500, is deadlocked or stopped is replaced, and relevo
// reports how it answered. The others keep serving without a loss.
func TestHealthReplaces(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := healthSite(t, "binds", 3, "")
	for _, c := range []struct{ how, answer string }{
		{"500", `unhealthy: GET /healthz: 500 "disk full"`},
		{"deadlock", "unhealthy: GET /healthz: no answer within 500ms"},
		{"stop", "unhealthy: GET /healthz: no answer within 500ms"},
	} {
		s.well(3)
		events := s.record()
		before := s.settled(3)
		ill := s.makeIll(c.how)
		unhealthy := events.await(pool.KindUnhealthy, 1)[0]
		end := s.load() // from now on it gets no new client
		recycle := events.await(pool.KindRecycle, 1)[0]
		for _, e := range []pool.Event{unhealthy, recycle} {
			if e.PID != ill || e.Reason != c.answer {
				t.Errorf("%s of pid %d: %s; %d was made ill (%s)", e.Kind, e.PID, e.Reason, ill, c.how)
			}
		}
		after := s.settled(3)
		wantNothingLost(t, end())
		before = slices.DeleteFunc(before, func(pid int) bool { return pid == ill })
		after = slices.DeleteFunc(after, func(pid int) bool { return slices.Contains(before, pid) })
		if len(after) != 1 || after[0] == ill {
			t.Errorf("%s: the siblings %v do not keep serving: now there are %v", c.how, before, after)
		}
	}
	s.stop()
}

// TestHealthAllFail: a check that fails for all workers is not the workers' fault. relevo reports
// its begin and its end once, and replaces no worker.
func TestHealthAllFail(t *testing.T) {
	t.Parallel()
	s := healthSite(t, "binds", 3, "")
	s.well(3)
	before, events := s.settled(3), s.record()
	lost := filepath.Join(s.dir, "no-database")
	if err := os.WriteFile(lost, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	said := func(kind pool.Kind, what string) bool {
		return slices.ContainsFunc(events.of(kind), func(e pool.Event) bool { return strings.Contains(e.Reason, what) })
	}
	s.await("the report", func() bool {
		return said(pool.KindUnhealthy, "all 3 workers fail their health check: GET /healthz: 503")
	})
	s.upgrade() // the next master knows it, too
	forks := events.of(pool.KindFork)
	events = s.record()
	if warnings := s.status().Warnings; len(warnings) != 1 || !strings.Contains(warnings[0], "all 3 workers fail") {
		t.Errorf("the status warns of %q", warnings)
	}
	os.Remove(lost)
	s.await("the report of the end", func() bool { return said(pool.KindHealthy, "not all workers fail") })
	s.well(3)
	if after := s.settled(3); !slices.Equal(before, after) {
		t.Errorf("pids %v serve, before: %v", after, before)
	}
	if forks = append(forks, events.of(pool.KindFork)...); len(forks) > 0 {
		t.Errorf("%d workers were started", len(forks))
	}
	if again := events.of(pool.KindUnhealthy); len(again) > 0 {
		t.Errorf("the next master reported it again: %+v", again)
	}
	if warnings := s.status().Warnings; len(warnings) > 0 {
		t.Errorf("the status still warns: %q", warnings)
	}
	s.stop()
}

// TestHealthSuccession: the next masters continue the checks, and each knows what the previous one
// has found.
func TestHealthSuccession(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for _, how := range []string{"tableflip", "exec"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := healthSite(t, "binds", 3, `upgrade = "`+how+`"`)
			s.well(3)
			before := s.settled(3)
			end := s.load()
			defer end()
			for range *upheavals {
				s.upgrade()
			}
			wantNothingLost(t, end())
			if after := s.settled(3); !slices.Equal(before, after) {
				t.Errorf("pids %v serve, before: %v", after, before)
			}
			events := s.record()
			ill := s.makeIll("500")
			if e := events.await(pool.KindRecycle, 1)[0]; e.PID != ill {
				t.Errorf("pid %d is replaced, %d was made ill: %s", e.PID, ill, e.Reason)
			}
			s.settled(3)
			s.well(3)
			s.stop()
		})
	}
}

// TestHealthWrongPath: if the path was never found on any worker, relevo says so, and what to
// correct. It replaces no worker, and a reload brings the corrected check.
func TestHealthWrongPath(t *testing.T) {
	t.Parallel()
	s, right := emptySite(t), healthConfiguration(t, 2, "")
	s.release("1", "binds")
	s.configure(strings.Replace(right, `"/healthz"`, `"/missing"`, 1))
	s.start("run")
	before := s.settled(2)
	s.await("a warning about the path", func() bool {
		warnings := s.status().Warnings
		return len(warnings) == 1 && strings.Contains(warnings[0], "GET /missing: 404") &&
			strings.Contains(warnings[0], "correct health.http (/missing), then relevo reload")
	})
	if after := s.settled(2); !slices.Equal(before, after) {
		t.Errorf("pids %v serve, before: %v", after, before)
	}
	if code, said := s.relevo("reload", "site"); code != 0 {
		t.Errorf("a reload with a check that proves nothing: %d %s", code, said)
	}
	s.configure(right)
	if code, said := s.relevo("reload", "site"); code != 0 {
		t.Errorf("the corrected check: %d %s", code, said)
	}
	s.well(2)
	if warnings := s.status().Warnings; len(warnings) > 0 {
		t.Errorf("the status still warns: %q", warnings)
	}
	s.configure(strings.Replace(right, `"/healthz"`, `"/missing"`, 1))
	if code, said := s.relevo("reload", "site"); code != 10 || !strings.Contains(said, "unhealthy: GET /missing: 404") ||
		!strings.Contains(said, "the path is likely wrong: correct health.http (/missing), then relevo reload") ||
		strings.Contains(said, "start-period") {
		t.Errorf("a reload that makes the check wrong: %d %s", code, said)
	}
	s.well(2)
	s.stop()
}

// TestUnitHealth: masters are killed under load, and the next one continues the checks, without a
// replaced worker or a lost request. A worker that falls ill between two masters is found.
func TestUnitHealth(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "")
	s.startBinding("workers = 3\ndrain_timeout = \"5s\"\n[health]\nhttp = \"/healthz\"\ninterval = \"500ms\"\n" +
		"timeout = \"500ms\"\n")
	before := s.settled(3)
	load := startLoad(s.address)
	s.murders(3)
	ill, err := fetch(s.address, "/ail?how=500")
	if err != nil {
		t.Fatal(err)
	}
	s.murder()
	s.Await("the ill worker to be replaced", func() bool {
		return strings.Contains(s.Journal("web.service"), `reason="unhealthy: GET /healthz: 500 \"disk full\""`)
	})
	endLoad(t, load)
	after := s.settled(3)
	kept := 0
	for _, pid := range after {
		if slices.Contains(before, pid) {
			kept++
		}
	}
	if kept != 2 {
		t.Errorf("pids %v serve, before: %v; %s was made ill", after, before, ill)
	}
	s.Systemctl("stop", "web.service")
}

// TestHealthOfSharedSocket: workers that share a socket cannot be checked one by one, and relevo
// says so. A check by command still runs for each of them.
func TestHealthOfSharedSocket(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := healthSite(t, "binds", 2, `balance = "shared"`)
	s.await("the answer of the pool as a whole", func() bool {
		h := s.status().Health
		return h != nil && h.Pool != nil && h.Pool.OK
	})
	if log := s.log.String(); !strings.Contains(log, "workers that share a socket are not asked one by one") {
		t.Error("relevo does not say so")
	}
	configuration, err := os.ReadFile(filepath.Join(s.dir, "relevo.toml"))
	if err != nil {
		t.Fatal(err)
	}
	s.configure(strings.Replace(string(configuration), `http = "/healthz"`,
		`command = 'test ! -e ill-$RELEVO_WORKER_PID || { echo it leaks; exit 1; }'`, 1))
	if code, said := s.relevo("reload", "site"); code != 0 {
		t.Fatalf("reload: %d %s", code, said)
	}
	s.settled(2)
	s.well(2)
	if code, said := s.relevo("status", "site"); code != 0 ||
		!strings.Contains(said, "health: command every 500ms: 2 of 2 well") {
		t.Errorf("status: %d %s", code, said)
	}
	events, ill := s.record(), s.settled(2)[1]
	if err := os.WriteFile(filepath.Join(s.dir, fmt.Sprintf("ill-%d", ill)), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if e := events.await(pool.KindRecycle, 1)[0]; e.PID != ill ||
		e.Reason != `unhealthy: command: exit status 1: "it leaks"` {
		t.Errorf("pid %d: %s; %d is ill", e.PID, e.Reason, ill)
	}
	s.settled(2)
	s.stop()
}
