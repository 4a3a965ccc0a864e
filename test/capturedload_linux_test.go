package test

import (
	"encoding/json"
	"flag"
	"slices"
	"strings"
	"testing"

	"relevo/internal/prove"

	"relevo/internal/testport"
)

var upheavals = flag.Int("upheavals", 2,
	"how often tests of captured workers upgrade and kill masters, and kill workers")

// TestCapturedSuccession: masters follow each other under load. After that a new generation binds
// the port, and workers of former masters bind one more.
func TestCapturedSuccession(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"tableflip", "exec"} {
		t.Run(how, func(t *testing.T) {
			takesLongUnless(t, how == "tableflip")
			s := capturedSite(t, "--upgrade", how)
			before := s.settled(4)
			end := s.load()
			defer end()
			for range *upheavals {
				s.upgrade()
			}
			if after := s.settled(4); !slices.Equal(before, after) {
				t.Errorf("pids %v serve, before: %v", after, before)
			}
			s.bindsAgain(t)
			wantNothingLost(t, end())
			s.stop()
		})
	}
}

// TestCapturedWorkersKilled: what a killed worker had not accepted is served by its
// replacement.
func TestCapturedWorkersKilled(t *testing.T) {
	t.Parallel()
	s := capturedSite(t)
	s.settled(4)
	kills, sent, held := 0, int64(0), int64(0)
	for kills < *upheavals && !t.Failed() {
		code, said := s.relevo("prove", "site", "--json", "--kill", "--kill-every", "200ms", "--duration", "1s", "--clients",
			"4", "--timeout", tooLong.String())
		_, document, _ := strings.Cut(said, "{")
		var r prove.Report
		if err := json.Unmarshal([]byte("{"+document), &r); err != nil || r.Kills == nil {
			t.Fatalf("relevo prove: exit code %d: %v: %s", code, err, said)
		}
		if r.Kills.Attribution != prove.BySockets || r.Kills.Failed > 0 || r.Kills.Unrecovered > 0 {
			t.Errorf("kills: %+v", *r.Kills)
		}
		wantNothingLost(t, r)
		kills, sent, held = kills+r.Kills.Count, sent+r.Total.Sent, held+r.Total.Held
		s.settled(4)
	}
	t.Logf("%d workers killed, %d requests, %d of them accepted by a worker that was killed", kills, sent, held)
	s.bindsAgain(t)
	s.stop()
}

// capturedSite runs four workers that bind their port themselves.
func capturedSite(t *testing.T, flags ...string) *site {
	t.Helper()
	s := emptySite(t)
	s.release("1", "binds")
	args := append([]string{"run", "--name", "site", "-n", "4", "--canary", "100ms", "--watch-binary=false"}, flags...)
	s.start(append(args, "--", "./app", testport.Address(t))...)
	// relevo assumes at first that a program which binds late serves no clients.
	s.await("the program to bind its port", func() bool { return len(s.status().Listeners) > 0 })
	return s
}

// bindsAgain wants a worker of this generation to bind one more port, a new generation to bind the
// first port, and its worker to bind one more.
func (s *site) bindsAgain(t *testing.T) {
	t.Helper()
	bindLate(t, s.status().Listeners[0].Address)
	s.release("2", "binds")
	if code, said := s.relevo("reload", "site"); code != 0 {
		t.Fatalf("reload: %d %s", code, said)
	}
	s.settled(4)
	body, err := fetch(s.status().Listeners[0].Address, "/")
	if err != nil || !strings.HasPrefix(body, "version 2 ") {
		t.Errorf("after the reload: %q, %v", body, err)
	}
	bindLate(t, s.status().Listeners[0].Address)
}

// bindLate lets a worker bind one more port.
func bindLate(t *testing.T, address string) {
	t.Helper()
	at := testport.Address(t)
	if said, err := fetch(address, "/bind?at="+at); err != nil || said != "" {
		t.Fatalf("the second bind: %q, %v", said, err)
	}
	if !await(func() bool { said, err := fetch(at, "/"); return err == nil && strings.HasPrefix(said, "second of ") }) {
		t.Errorf("no worker answers on %s", at)
	}
}

func wantNothingLost(t *testing.T, r prove.Report) {
	t.Helper()
	if r.Lost() > 0 || r.Total.OK == 0 {
		t.Errorf("%d of %d requests lost: %+v", r.Lost(), r.Total.Sent, r.Samples)
	}
	t.Logf("%d requests, %d lost, slowest %v, longest gap %v", r.Total.Sent, r.Lost(), r.Total.Latency.Slowest,
		r.LongestGap)
}
