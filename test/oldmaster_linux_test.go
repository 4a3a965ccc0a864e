package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"relevo/internal/testreq"
)

// oldestMaster is the oldest commit whose masters can be replaced by the present relevo, as can
// those of all later commits. docs/versioning.md names it.
const oldestMaster = "dd1846a4db1a8bd370cfa45e1b2e1c59cb6ee0de"

// TestOldMasters: the present relevo takes over from a master that was built from the oldest
// supported commit, and from one of each tagged release. No request is lost, and the workers stay.
func TestOldMasters(t *testing.T) {
	takesLong(t)
	t.Parallel()
	testreq.Program(t, "git")
	tags, err := exec.Command("git", "tag", "--list", "v*").Output()
	if err != nil {
		testreq.Missing(t, "no repository of git: "+err.Error())
	}
	for _, revision := range append([]string{oldestMaster}, strings.Fields(string(tags))...) {
		t.Run(revision[:min(len(revision), 12)], func(t *testing.T) {
			t.Parallel()
			succeedOld(t, buildOld(t, revision))
		})
	}
}

func succeedOld(t *testing.T, old string) {
	s := emptySite(t)
	present := s.program + ".present"
	for _, move := range [][2]string{{s.program, present}, {old, s.program}} {
		if err := os.Rename(move[0], move[1]); err != nil {
			t.Fatal(err)
		}
	}
	s.start("run", "--name", "site", "-l", "127.0.0.1:0", "-n", "3", "--watch-binary=false", "--", "./app")
	workers := s.settled(3)
	end := s.load()
	defer end()
	if err := os.Rename(present, s.program); err != nil {
		t.Fatal(err)
	}
	s.upgrade()
	if got := s.settled(3); !slices.Equal(got, workers) {
		t.Errorf("workers %v, before %v", got, workers)
	}
	// What the new master knows of the releases is complete, too: it rolls, and rolls back.
	s.release("2", "serve")
	for _, command := range []string{"reload", "rollback"} {
		if code, said := s.relevo(command, "site"); code != 0 {
			t.Errorf("%s: exit code %d: %s", command, code, said)
		}
	}
	report := end()
	if n := report.Lost(); n > 0 || report.Total.OK == 0 {
		t.Errorf("%d of %d requests lost: %+v", n, report.Total.Sent, report.Samples)
	}
	s.stop()
}

// buildOld builds relevo as it was at a revision.
func buildOld(t *testing.T, revision string) (program string) {
	t.Helper()
	sources := t.TempDir()
	archive := filepath.Join(sources, "sources.tar")
	if out, err := exec.Command("git", "archive", "-o", archive, revision).CombinedOutput(); err != nil {
		testreq.Missing(t, "the repository has no "+revision+" (a shallow clone?): "+string(out))
	}
	unpack(t, archive, sources)
	// Built beside the sites of tests, so that it can be renamed into them.
	dir, err := os.MkdirTemp("", "old")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program = filepath.Join(dir, "relevo")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", program, ".")
	build.Dir, build.Env = sources, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the build of %s: %v\n%s", revision, err, out)
	}
	return program
}
