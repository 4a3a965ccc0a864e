package test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"relevo/pool"

	"relevo/internal/testport"
)

// TestShutdownHealing: under load a worker shuts down the shared listener again and again. Clients
// are refused for a moment, and then served again.
func TestShutdownHealing(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"port", "any port", "unix"} {
		t.Run(kind, func(t *testing.T) {
			s := emptySite(t)
			address := map[string]string{"port": testport.Address(t), "any port": "127.0.0.1:0",
				"unix": "unix:" + filepath.Join(s.dir, "app.sock")}[kind]
			s.start("run", "--name", "site", "-l", "web="+address, "-n", "2", "--canary", "50ms", "--watch-binary=false", "--",
				"./app")
			s.settled(2)
			where := s.status().Listeners[0].Address
			s.release("2", "crash") // healing must not depend on the release at the path
			events := s.record()
			end := s.load()
			defer end()
			for n := 1; n <= 3; n++ {
				culprit := s.tell(0, "shutdown")
				healed := events.await(pool.KindHealed, n)[n-1]
				if want := "listener web (" + where + "): shut down by a worker, mended"; !strings.HasPrefix(healed.Text, want) {
					t.Errorf("the event says %q, want %q", healed.Text, want)
				}
				if !slices.Contains(healed.Workers, culprit.ID) {
					t.Errorf("worker %s is not among the suspects %v", culprit.ID, healed.Workers)
				}
				if kind == "unix" {
					// Only new workers have the new socket.
					events.await(pool.KindRecycle, 2*n)
				}
				s.settled(2)
				if body, err := fetch(where, "/"); err != nil || !strings.HasPrefix(body, "version 1 ") {
					t.Fatalf("after shutdown %d: %q, %v", n, body, err)
				}
			}
			report := end()
			if report.Total.OK == 0 {
				t.Error("no request of the load was answered")
			}
			t.Logf("%d sent, lost: %+v, longest gap %s", report.Total.Sent, report.Total.Lost, report.LongestGap)
			s.wantOneWarning(t, "listener web ("+where+"): shut down by a worker, mended", "damaged 3 times")
			s.wantLog(t, `level=WARN msg="listener damaged"`)
			if dead := events.of(pool.KindExit); slices.ContainsFunc(dead, func(e pool.Event) bool { return !*e.Planned }) {
				t.Errorf("workers died because of the shutdown: %+v", dead)
			}

			// The next release may be innocent, so the warning goes.
			s.release("3", "serve")
			if code, said := s.relevo("reload", "site"); code != 0 {
				t.Errorf("reload: %d: %s", code, said)
			}
			s.await("the warning to go", func() bool { return len(s.status().Warnings) == 0 })
		})
	}
}

// TestSuspectThatIsGone: a worker that shuts down the listener just before it ends is named.
func TestSuspectThatIsGone(t *testing.T) {
	t.Parallel()
	s := newSite(t, "-n", "2")
	s.settled(2)
	events := s.record()
	culprit := s.tell(1, "shutdown-and-die")
	if healed := events.await(pool.KindHealed, 1)[0]; !slices.Contains(healed.Workers, culprit.ID) {
		t.Errorf("worker %s is not among the suspects %v", culprit.ID, healed.Workers)
	}
	s.settled(2)
	if _, err := fetch(s.status().Listeners[0].Address, "/"); err != nil {
		t.Error(err)
	}
}

// TestListenerHealing: damage that the kernel does not report is repaired while a worker is young,
// and no request is lost.
func TestListenerHealing(t *testing.T) {
	t.Parallel()
	for misdeed, did := range map[string]string{
		"block":   "listener listen (%s): made blocking by a worker, mended",
		"shorten": "listener listen (%s): accept queue shortened to 1 by a worker, mended",
	} {
		t.Run(misdeed, func(t *testing.T) {
			s := newSite(t, "-n", "2", "--canary", "50ms", "--watch-binary=false")
			s.settled(2)
			where := s.status().Listeners[0].Address
			events := s.record()
			end := s.load()
			defer end()
			s.release("2", misdeed)
			if code, said := s.relevo("reload", "site"); code != 0 {
				t.Fatalf("reload: %d: %s", code, said)
			}
			healed := events.await(pool.KindHealed, 1)[0]
			s.settled(2)
			if want := fmt.Sprintf(did, where); !strings.HasPrefix(healed.Text, want) {
				t.Errorf("the event says %q, want %q", healed.Text, want)
			}
			if len(healed.Workers) == 0 {
				t.Error("no worker is a suspect")
			}
			s.wantOneWarning(t, fmt.Sprintf(did, where))
			s.wantLog(t, `level=WARN msg="listener damaged"`)
			if report := end(); report.Lost() > 0 || report.Total.OK == 0 {
				t.Errorf("%+v %+v", report.Total, report.Samples)
			}
		})
	}
}

// TestDamageBeforeAStart: a new worker makes the listener non-blocking again. relevo still reports
// that it was blocking.
func TestDamageBeforeAStart(t *testing.T) {
	t.Parallel()
	const workers = 4
	s := newSite(t, "-n", fmt.Sprint(workers), "--watch-binary=false")
	s.settled(workers)
	events := s.record()
	for slot := range workers {
		s.tell(slot, "block")
		events.await(pool.KindMessage, slot+1) // the worker has done so
		victim := s.inSlot((slot + 1) % workers)
		if _, err := s.client.Signal(context.Background(), pool.Target{ID: victim.ID}, "KILL"); err != nil {
			t.Fatal(err)
		}
		events.await(pool.KindHealed, slot+1)
		s.await("the death", func() bool { return len(events.of(pool.KindExit)) > slot })
		s.settled(workers)
	}
}

// wantOneWarning requires exactly one warning in the status, with these words.
func (s *site) wantOneWarning(t *testing.T, words ...string) {
	t.Helper()
	var warnings []string
	var said string
	// Two workers may do the same, one shortly after the other.
	s.await("the warnings to stay the same", func() bool {
		warnings = s.status().Warnings
		_, said = s.relevo("status", "site")
		return slices.Equal(warnings, s.status().Warnings)
	})
	if len(warnings) != 1 {
		t.Fatalf("warnings are %q, want one", warnings)
	}
	for _, want := range append(words, warnings[0]) {
		if !strings.Contains(said, want) {
			t.Errorf("%q is missing in the status:\n%s", want, said)
		}
	}
	t.Log(warnings[0])
}

func (s *site) wantLog(t *testing.T, line string) {
	t.Helper()
	if !await(func() bool { return strings.Contains(s.log.String(), line) }) {
		t.Errorf("%s is not in the log", line)
	}
}
