package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestStickyMasterKilled: SIGKILL for the master, under the load of many clients: nothing is
// lost, and each client stays at its slot, also through a roll of the master that follows.
func TestStickyMasterKilled(t *testing.T) {
	s := newUnitSite(t, "")
	text := fmt.Sprintf("name = \"web\"\ncommand = [\"./app\", %q]\nworkers = 4\ncanary = \"100ms\"\nbalance = \"sticky\"\nwatch_binary = false\n", s.address)
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
	if code, said := s.relevo("reload", "web"); code != 0 {
		t.Errorf("reload: %d %s", code, said)
	}
	s.settled(4)
	end()
	s.Systemctl("stop", "web.service")
}
