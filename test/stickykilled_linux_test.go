package test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestStickyMasterKilled: the master is killed under the load of many clients. No request is lost,
// and each client stays at its slot, also in a roll whose dark canary is on probation when the
// master is killed.
func TestStickyMasterKilled(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "")
	text := fmt.Sprintf("name = \"web\"\ncommand = [\"./app\", %q]\nworkers = 4\ncanary = \"100ms\"\n"+
		"balance = \"sticky\"\nwatch_binary = false\n", s.address)
	if err := os.WriteFile(filepath.Join(s.Dir, "relevo.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s.release("1", "binds")
	s.Systemctl("start", "web.service")
	before := s.settled(4)
	end := loadOfMany(t, s.address)
	for range *upheavals {
		s.murder()
		if after := s.settled(4); !slices.Equal(before, after) {
			t.Fatalf("pids %v serve, before: %v\n%s", after, before, s.Journal("web.service"))
		}
	}
	s.release("2", "binds")
	if code, said := s.relevo("reload", "web", "--canary", "10m", "--share", "0%", "--no-wait"); code != 0 {
		t.Errorf("reload: %d %s", code, said)
	}
	onProbation := func() bool {
		status, err := s.app()
		return err == nil && status.Canary != nil && status.Canary.Share == "0%"
	}
	s.Await("the canary to be on probation", onProbation)
	s.murder()
	s.Await("the next master to know the canary", onProbation)
	if n := shareOf(t, s.address, "2", 50); n > 0 {
		t.Errorf("a dark canary has answered %d of 50 connections", n)
	}
	if code, said := s.relevo("promote", "web"); code != 0 {
		t.Errorf("promote: %d %s", code, said)
	}
	s.settled(4)
	if n := shareOf(t, s.address, "2", 10); n != 10 {
		t.Errorf("the promoted release has answered %d of 10 connections", n)
	}
	end()
	s.Systemctl("stop", "web.service")
}
