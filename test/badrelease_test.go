package test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// badRelease is a deploy that goes wrong.
type badRelease struct {
	name string
	put  func(s *site) // puts it in place of release 1
	exit int           // of relevo reload
	says []string
	// later means that the release passes its probation, and is rolled back afterwards.
	later bool
}

func badReleases() []badRelease {
	behaves := func(behaviour string) func(*site) {
		return func(s *site) { s.release("2", behaviour) }
	}
	file := func(mode os.FileMode, edit func(program []byte) []byte) func(*site) {
		return func(s *site) {
			program, err := os.ReadFile(s.app)
			if err == nil {
				os.Remove(s.app)
				err = os.WriteFile(s.app, edit(program), mode)
			}
			if err != nil {
				s.t.Fatal(err)
			}
		}
	}
	return []badRelease{
		{name: "exits at once", put: behaves("crash"), exit: 10,
			says: []string{"exit status 3", "panic: cannot reach the database"}},
		{name: "exits after 500 ms", put: behaves("crash-500ms"), exit: 10, says: []string{"exit status 5", "gives up"}},
		{name: "never ready", put: behaves("never-ready"), exit: 10,
			says: []string{"not ready within 2s", "--ready-timeout"}},
		{name: "ready, crashes on probation", put: behaves("crash-on-probation"), exit: 10,
			says: []string{"died on probation: exit status 4"}},
		{name: "ready, passes probation, crashes 5 s later", put: behaves("crash-after-5s"), exit: 0,
			says: []string{"generation 2 serves"}, later: true},
		{name: "missing", put: func(s *site) { os.Remove(s.app) }, exit: 10, says: []string{"no such file"}},
		{name: "not executable", put: file(0o644,
			func(p []byte) []byte { return p }), exit: 10, says: []string{"no permission to execute it", "chmod +x"}},
		{name: "half written", put: file(0o755,
			func(p []byte) []byte { return p[:len(p)/2] }), exit: 10, says: []string{"cannot roll"}},
		{name: "wrong architecture", put: file(0o755, foreign), exit: 10, says: []string{"built for another machine"}},
		{name: "script with missing interpreter", put: file(0o755,
			func([]byte) []byte { return []byte("#!/nonexistent/sh\n") }), exit: 10,
			says: []string{"its interpreter /nonexistent/sh does not exist"}},
		{name: "segfaults on the first request", put: behaves("segv-on-request"), exit: 10,
			says: []string{"killed by SIGSEGV"}},
	}
}

// foreign turns a program into one for another processor.
func foreign(program []byte) []byte {
	machine := elf.EM_AARCH64
	if binary.LittleEndian.Uint16(program[18:]) == uint16(machine) {
		machine = elf.EM_X86_64
	}
	program = bytes.Clone(program)
	binary.LittleEndian.PutUint16(program[18:], uint16(machine))
	return program
}

// TestBadReleases deploys broken releases under load. The service keeps serving; only requests that
// a worker of the bad release had accepted may be lost.
func TestBadReleases(t *testing.T) {
	takesLong(t)
	t.Parallel()
	const workers = 2
	var table strings.Builder
	rows := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(rows, "release\texit\trequests\tlost\theld by the dead\told pids\tafter")
	for _, bad := range badReleases() {
		t.Run(bad.name, func(t *testing.T) {
			s := newSite(t, "-n", fmt.Sprint(workers), "--canary", "500ms", "--ready-timeout", "2s", "--drain-timeout", "5s",
				"--watch-binary=false")
			before := s.settled(workers)
			end := s.load()
			defer end()
			bad.put(s)
			began := time.Now()
			code, said := s.relevo("reload", "site")
			if code != bad.exit {
				t.Errorf("exit code %d, want %d: %s", code, bad.exit, said)
			}
			for _, want := range bad.says {
				if !strings.Contains(said, want) {
					t.Errorf("%q is missing in the output: %s", want, said)
				}
			}
			if bad.later {
				s.await("the rollback", func() bool {
					last := s.status().LastRoll
					return last != nil && last.Result == "rolled-back" && last.Automatic
				})
			}
			took := time.Since(began)
			after := s.settled(workers)
			report := end()
			if !bad.later && !slices.Equal(before, after) {
				t.Errorf("pids %v serve, before: %v", after, before)
			}
			if body, err := fetch(s.status().Listeners[0].Address, "/"); err != nil || !strings.HasPrefix(body, "version 1 ") {
				t.Errorf("%q, %v; want version 1", body, err)
			}
			lost := report.Total.Lost
			held, deaths := s.heldByDead()
			gone := lost.EOF + lost.Reset // lost with the worker that had accepted them
			if other := lost.Total() - gone; other > 0 || gone > int64(held+deaths) {
				t.Errorf("%d requests lost, dead workers held %d: %+v %+v", lost.Total(), held, lost, report.Samples)
			}
			if report.Total.OK == 0 {
				t.Error("no request of the load was answered")
			}
			same := "the same"
			if bad.later {
				same = "replaced"
			}
			fmt.Fprintf(rows, "%s\t%d\t%d\t%d\t%d\t%s\t%s\n", bad.name, code, report.Total.Sent, lost.Total()-gone, gone, same,
				took.Round(10*time.Millisecond))
		})
	}
	rows.Flush()
	t.Logf("bad releases under load, fresh and kept connections:\n%s", &table)
}
