package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCanaryAbortedLater: the next master knows a canary's share and can abort the roll. The client
// that waits for the roll gets its result.
func TestCanaryAbortedLater(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := capturedSite(t)
	s.settled(4)
	end := s.load()
	defer end()
	roll := s.tryRelease("2", "--share", "5%")
	s.upgrade()
	if canary := s.status().Canary; canary == nil || canary.Share != "5%" {
		t.Errorf("canary %+v, want one with a share of 5%%", canary)
	}
	if n := shareOf(t, s.status().Listeners[0].Address, "2", 200); n > 40 {
		t.Errorf("a canary with a share of 5%% has answered %d of 200 connections in the next master", n)
	}
	if code, said := s.relevo("abort", "site"); code != 0 {
		t.Errorf("abort: %d %s", code, said)
	}
	roll.want(t, 10, "aborted by request")
	s.settled(4)
	if n := shareOf(t, s.status().Listeners[0].Address, "1", 20); n != 20 {
		t.Errorf("the old release has answered %d of 20 connections", n)
	}
	wantNothingLost(t, end())
	s.stop()
}

// TestCanaryMasterKilled: under load the master is killed while a canary is on probation, and again
// right after the canary was promoted or aborted. The next master keeps the decision.
func TestCanaryMasterKilled(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "")
	text := fmt.Sprintf("name = \"web\"\ncommand = [\"./app\", %q]\nworkers = 4\ncanary = \"100ms\"\n"+
		"watch_binary = false\n", s.address)
	if err := os.WriteFile(filepath.Join(s.Dir, "relevo.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s.release("1", "binds")
	s.Systemctl("start", "web.service")
	s.settled(4)
	load := startLoad(s.address)
	serving := "1"
	for i, decision := range []string{"abort", "promote", "abort", "promote"} {
		version := fmt.Sprint(i + 2)
		s.release(version, "binds")
		ended := make(chan reloadEnd, 1)
		go func() {
			code, said := s.relevo("reload", "web", "--canary", "10m", "--share", "5%")
			ended <- reloadEnd{code, said}
		}()
		onProbation := func() bool {
			status, err := s.app()
			return err == nil && status.Canary != nil && status.Canary.Share == "5%"
		}
		s.Await("the canary to be on probation", onProbation)
		s.murder()
		if end := <-ended; end.code != 1 || !strings.Contains(end.said, "ended before it answered") ||
			!strings.Contains(end.said, "see relevo status web") {
			t.Errorf("the reload whose master was killed: exit code %d: %s", end.code, end.said)
		}
		s.Await("the next master to know the canary", onProbation)
		if n := shareOf(t, s.address, version, 100); n > 25 {
			t.Errorf("a canary with a share of 5%% has answered %d of 100 connections", n)
		}
		s.must(decision, "web")
		s.murder() // while slots are replaced
		if decision == "promote" {
			serving = version
		}
		s.Await("the roll to end", func() bool {
			status, err := s.app()
			return err == nil && status.Canary == nil && len(status.Workers) == 4
		})
		s.settled(4)
		if n := shareOf(t, s.address, serving, 20); n != 20 {
			t.Errorf("%s: release %s has answered %d of 20 connections", decision, serving, n)
		}
	}
	endLoad(t, load)
	s.Systemctl("stop", "web.service")
}
