package test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"relevo/internal/control"
	"relevo/pool/machine"
)

// TestDepartureInSuccession: one master follows another while a worker is being led out. The worker
// finishes what it has accepted, gets no new client, and then ends.
func TestDepartureInSuccession(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for _, how := range []string{"tableflip", "exec"} {
		t.Run(how, func(t *testing.T) {
			s := capturedSite(t, "--upgrade", how)
			s.settled(4)
			address := s.status().Listeners[0].Address
			events := stream(t, "http://"+address+"/stream")
			end := s.load()
			defer end()
			s.release("2", "binds")
			if code, said := s.relevo("reload", "site"); code != 0 {
				t.Fatalf("reload: %d %s", code, said)
			}
			s.upgrade()
			if n := leaving(s.status()); n == 0 {
				t.Error("no worker is leaving")
			}
			if events() == 0 {
				t.Error("the stream has ended")
			}
			s.await("the old workers to be gone", func() bool { return leaving(s.status()) == 0 })
			wantNothingLost(t, end())
			// A stream that its client has closed is finished. If the worker is slow to close it, it
			// counts as idle.
			if c := s.status().Connections; c.Finished+c.Rescued == 0 || c.Cut > 0 {
				t.Errorf("connections: %v", c)
			}
			if body, err := fetch(address, "/"); err != nil || body[:10] != "version 2 " {
				t.Errorf("%q, %v", body, err)
			}
			s.stop()
		})
	}
}

func leaving(s control.Status) (n int) {
	for _, w := range s.Workers {
		if w.State == string(machine.Draining) || w.State == string(machine.Stopping) {
			n++
		}
	}
	return n
}

// TestDepartureOutlivesMaster is the same with a killed master: the next one has what systemd kept.
func TestDepartureOutlivesMaster(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "")
	text := fmt.Sprintf("name = \"web\"\ncommand = [\"./app\", %q]\nworkers = 2\ncanary = \"100ms\"\n"+
		"watch_binary = false\n", s.address)
	if err := os.WriteFile(filepath.Join(s.Dir, "relevo.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s.release("1", "binds")
	s.Systemctl("start", "web.service")
	s.settled(2)
	events := stream(t, "http://"+s.address+"/stream")
	s.release("2", "binds")
	if code, said := s.relevo("reload", "web"); code != 0 {
		t.Fatalf("reload: %d %s", code, said)
	}
	s.murder()
	s.Await("the next master", func() bool { status, err := s.app(); return err == nil && status.State == "running" })
	if events() == 0 { // this also ends the stream, so its worker can leave
		t.Error("the stream has ended")
	}
	s.settled(2)
	s.Await("the old workers to be gone", func() bool { return len(s.Processes("web.service")) == 3 })
	if got := s.get("/"); got[:10] != "version 2 " {
		t.Errorf("answer %q", got)
	}
	s.Systemctl("stop", "web.service")
}
