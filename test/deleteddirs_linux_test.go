package test

import (
	"os"
	"strings"
	"testing"
)

// TestDeletedDirectories: status names the directories that were deleted, and so does a reload that
// needs one of them.
func TestDeletedDirectories(t *testing.T) {
	t.Parallel()
	s := emptySite(t)
	own, workers := s.at("start"), s.at("work")
	s.must(os.Mkdir(own, 0o755), os.Mkdir(workers, 0o755))
	s.startIn(own, "run", "--name", "site", "-n", "1", "-l", "127.0.0.1:0", "--watch-binary=false", "--directory", workers,
		"--", s.app)
	if warnings := s.status().Warnings; len(warnings) > 0 {
		t.Errorf("warnings: %q", warnings)
	}
	s.must(os.RemoveAll(own), os.RemoveAll(workers))
	s.upgrade() // the next master knows all of it, too
	warnings := strings.Join(s.status().Warnings, "\n")
	for _, want := range []string{"workers, " + workers + ", was deleted", "started in, " + own + ", was deleted"} {
		if !strings.Contains(warnings, want) {
			t.Errorf("%q is missing in the warnings: %s", want, warnings)
		}
	}
	if code, said := s.relevo("reload", "site"); code != 10 ||
		!strings.Contains(said, "cannot use the working directory") || !strings.Contains(said, workers) {
		t.Errorf("reload: exit code %d: %s", code, said)
	}
	s.must(os.Mkdir(workers, 0o755))
	if code, said := s.relevo("reload", "site"); code != 0 {
		t.Errorf("reload: exit code %d: %s", code, said)
	}
	if warnings := strings.Join(s.status().Warnings, "\n"); strings.Contains(warnings, workers) {
		t.Errorf("warnings when the directory is back: %s", warnings)
	}
	s.stop()
	s.master = s.command("run", "--name", "site", "-l", "127.0.0.1:0", "--", s.app)
	s.master.Path, s.master.Args = "/bin/sh", []string{"sh", "-c", "mkdir gone; cd gone; rmdir ../gone; exec " +
		strings.Join(s.master.Args, " ")}
	if err := s.master.Run(); err == nil ||
		!strings.Contains(s.log.String(), "cannot use the working directory: lstat "+s.at("gone")) {
		t.Errorf("a start in a directory that was deleted: %v", err)
	}
}
