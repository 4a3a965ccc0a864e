package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestJournalFields: systemd's journal has the app, slot, generation and worker of each line, also
// after a roll and the death of a master.
func TestJournalFields(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newUnitSite(t, "workers = 2\nwatch_binary = false\n")
	app := filepath.Join(s.Dir, "app")
	if err := os.Rename(app, filepath.Join(s.Dir, "real")); err != nil {
		t.Fatal(err)
	}
	write := func(version string) {
		t.Helper()
		script := "#!/bin/sh\necho \"version " + version + " begins\"\necho '<3>a warning' >&2\nexec ./real\n"
		if err := writeProgram(app+".new", []byte(script)); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(app+".new", app); err != nil {
			t.Fatal(err)
		}
	}
	write("1")
	s.Systemctl("start", "web.service")
	write("2")
	s.Systemctl("reload", "web.service")
	s.awaitStatus("serve generation 2 on")
	type line struct {
		Message    string `json:"MESSAGE"`
		App        string `json:"RELEVO_APP"`
		Generation string `json:"RELEVO_GENERATION"`
		Worker     string `json:"RELEVO_WORKER"`
		Stream     string `json:"RELEVO_STREAM"`
		Priority   string `json:"PRIORITY"`
		Unit       string `json:"_SYSTEMD_UNIT"`
		Identifier string `json:"SYSLOG_IDENTIFIER"`
	}
	read := func(matches ...string) (all []line) {
		t.Helper()
		out, err := s.Command("journalctl", append([]string{"--no-pager", "-o", "json"}, matches...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		for text := range strings.Lines(string(out)) {
			var l line
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			all = append(all, l)
		}
		return all
	}
	for slot := range 2 {
		var got []line
		match := "RELEVO_SLOT=" + strconv.Itoa(slot)
		s.Await("the lines of the slot", func() bool {
			got = read(match, "RELEVO_STREAM=out", "RELEVO_STREAM=err")
			return len(got) == 4
		})
		worker := []string{got[0].Worker, got[2].Worker}
		if worker[0] == "" || worker[0] == worker[1] {
			t.Errorf("slot %d: workers %q", slot, worker)
		}
		for i, l := range got {
			generation := strconv.Itoa(i/2 + 1)
			want := line{"version " + generation + " begins", "web", generation, worker[i/2], "out", "6", "web.service",
				"web/" + strconv.Itoa(slot)}
			if l.Stream == "err" {
				want.Message, want.Stream, want.Priority = "a warning", "err", "3"
			}
			if l != want {
				t.Errorf("slot %d has %+v, want %+v", slot, l, want)
			}
		}
		// The master's lines about these workers.
		s.Await("the master's lines about the slot", func() bool {
			var about []string
			for _, l := range read("-u", "web.service", match, "RELEVO_STREAM=log") {
				if strings.Contains(l.Message, "worker ready") && l.App == "web" && l.Priority == "6" &&
					l.Identifier == "relevo" {
					about = append(about, l.Generation+" "+l.Worker)
				}
			}
			return slices.Equal(about, []string{"1 " + worker[0], "2 " + worker[1]})
		})
	}
	if got := read("-u", "web.service", "RELEVO_GENERATION=2", "RELEVO_STREAM=out", "RELEVO_STREAM=err"); len(got) != 4 {
		t.Errorf("the lines of the second generation: %+v", got)
	}
	if got := read("-u", "web.service", "RELEVO_APP=web", "RELEVO_STREAM=log", "RELEVO_GENERATION=2"); len(got) == 0 ||
		!strings.Contains(got[0].Message, "roll began") {
		t.Errorf("the master's lines about the second generation: %+v", got)
	}
	// The same under the next master.
	s.Systemctl("kill", "--kill-whom=main", "-s", "KILL", "web.service")
	s.Await("another master", func() bool {
		return s.Show("web.service", "NRestarts") == "1" && s.Show("web.service", "ActiveState") == "active"
	})
	write("3")
	s.Systemctl("reload", "web.service")
	s.Await("the lines of the third generation", func() bool {
		return len(read("RELEVO_GENERATION=3", "RELEVO_STREAM=out", "RELEVO_STREAM=err")) == 4
	})
}
