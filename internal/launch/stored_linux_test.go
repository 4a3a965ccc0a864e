package launch

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"relevo/pool"
)

// buildTold builds a program that prints its id and stays.
func buildTold(t *testing.T, id string) []byte {
	t.Helper()
	dir := t.TempDir()
	const source = "package main\n\nimport \"time\"\n\nvar id string\n\nfunc main() { println(id); " +
		"time.Sleep(time.Hour) }\n"
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", "told", "-ldflags", "-s -w -X main.id="+id, "main.go")
	build.Dir = dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(dir, "told"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// prepareStored is PrepareStored for a release that must exist.
func (s *shelf) prepareStored(c Command, sha256 string) *Release {
	s.t.Helper()
	release, err := s.PrepareStored(c, sha256)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { release.Close() })
	return release
}

// TestBackToStored: a release from the store can be run again, also by a later master, whatever is
// at its path now.
func TestBackToStored(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.Store().SetKeep(5)
	putRelease(t, s.program, "v1")
	v1 := s.prepare(s.command()).Info()
	later := newRigOf(t, Options{SnapshotDir: s.snapshots, KeepReleases: 5})
	s.rig = later
	putRelease(t, s.program, "v2")
	stored := s.prepareStored(s.command(), v1.SHA256[:10])
	if got := stored.Info(); got != v1 || stored.Source() != s.program {
		t.Errorf("it is %+v of %s, want %+v", got, stored.Source(), v1)
	}
	s.wantRuns(stored, s.copyOf("v1"), "v1")
	putRelease(t, s.program, "v1")
	s.wantRuns(s.prepareStored(s.command(), v1.SHA256), s.program, "v1")
	os.Remove(s.program)
	s.wantRuns(s.prepareStored(s.command(), v1.SHA256), s.copyOf("v1"), "v1")
	_, err := s.PrepareStored(s.command(), "ffff")
	if err == nil {
		t.Fatal("an unknown release can be prepared")
	}
	wantError(t, err.Error(), `cannot find release "ffff"`, v1.SHA256[:12])
	os.Chmod(s.copyOf("v1"), 0o755)
	os.WriteFile(s.copyOf("v1"), program(t, "vX"), 0)
	_, err = s.PrepareStored(s.command(), v1.SHA256)
	if err == nil {
		t.Fatal("a changed copy can be prepared")
	}
	wantError(t, err.Error(), "cannot use release "+v1.SHA256[:12], s.copyOf("v1")+" was changed")
}

// deploy makes the directories r1 and r2, each with a script that prints its directory and version,
// and a link named current to r1.
func (s *shelf) deploy() (root string, link func(to string)) {
	s.t.Helper()
	root, err := filepath.EvalSymlinks(s.t.TempDir())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, version := range []string{"r1", "r2"} {
		os.Mkdir(filepath.Join(root, version), 0o755)
		executable(s.t, filepath.Join(root, version, "run"), "#!/bin/sh\necho "+version+" $0 $(pwd -P)\n")
	}
	link = func(to string) {
		s.t.Helper()
		os.Remove(filepath.Join(root, "new"))
		if err := os.Symlink(to, filepath.Join(root, "new")); err != nil {
			s.t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(root, "new"), filepath.Join(root, "current")); err != nil {
			s.t.Fatal(err)
		}
	}
	link("r1")
	return root, link
}

func (s *shelf) wantSays(release *Release, want string) {
	s.t.Helper()
	w := s.startOf(release, pool.Order{ID: "1"})
	w.exit()
	if got := strings.Join(w.Tail(), "\n"); got != want {
		s.t.Errorf("the worker prints %q, want %q", got, want)
	}
}

// TestScripts: a script is run from a path that has its bytes, with the links resolved, so that it
// finds the same files beside it; and from its copy only if there is no such path.
func TestScripts(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.Store().SetKeep(5)
	root, link := s.deploy()
	current, r1, r2 := root+"/current", root+"/r1", root+"/r2"
	c := Command{App: "app", Args: []string{current + "/run"}, Dir: current}
	old := s.prepare(c)
	s.wantSays(old, "r1 "+r1+"/run "+r1)
	link("r2")
	s.wantSays(old, "r1 "+r1+"/run "+r1)
	next := s.prepare(c)
	s.wantSays(next, "r2 "+r2+"/run "+r2)
	if next.Source() != old.Source() || old.Source() != current+"/run" {
		t.Errorf("watched are %s and %s", old.Source(), next.Source())
	}
	s.wantSays(s.prepareStored(c, old.Info().SHA256), "r1 "+r1+"/run "+r1)
	if log := s.log.String(); log != "" {
		t.Errorf("it warns: %s", log)
	}
	executable(t, r1+"/run", "#!/bin/sh\necho other bytes\n")
	kept := filepath.Join(s.snapshots, old.Info().SHA256, "run")
	// If a worker ends before it is ready, the next one runs from the path, and the one after it
	// from the copy again.
	s.wantSays(old, "r1 "+kept+" "+r1)
	s.wantSays(old, "other bytes")
	s.wantSays(old, "r1 "+kept+" "+r1)
	wantError(t, s.log.String(), "may not find files beside it")
	if n := strings.Count(s.log.String(), "level=WARN"); n != 3 {
		t.Errorf("it warns %d times", n)
	}
	s.wantSays(s.prepareStored(c, old.Info().SHA256), "r1 "+kept+" "+r1)
}

// TestSameBytesElsewhere: a release includes where its link led, even if the bytes are the same.
// Both releases share one copy.
func TestSameBytesElsewhere(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.Store().SetKeep(5)
	root, link := s.deploy()
	same := "#!/bin/sh\necho same $0 $(pwd -P)\n"
	executable(t, root+"/r1/run", same)
	executable(t, root+"/r2/run", same)
	for name, c := range map[string]Command{
		"directory": {App: "app", Args: []string{"./run"}, Dir: root + "/current"},
		"script":    {App: "app", Args: []string{"current/../current/run"}, Dir: root},
		"argument":  {App: "app", Args: []string{"sh", "-e", root + "/current/run", "x"}, Dir: "/"},
	} {
		link("r1")
		dir := func(r string) string {
			if c.Dir == root+"/current" {
				return root + "/" + r
			}
			return c.Dir
		}
		first := s.prepare(c)
		sum := first.sum
		s.wantName(first, first.Info().SHA256)
		link("r2")
		second := s.prepare(c)
		if a, b := first.Info(), second.Info(); a.SHA256 == b.SHA256 || first.sum != second.sum ||
			a.Directory != root+"/r1" || b.Directory != root+"/r2" {
			t.Errorf("%s: %+v and %+v", name, a, b)
		}
		s.wantName(first, second.Info().SHA256)
		if looked, err := s.Look(c); err != nil || looked.SHA256 != second.Info().SHA256 {
			t.Errorf("%s: a second look finds %+v, %v", name, looked, err)
		}
		s.wantSays(first, "same "+root+"/r1/run "+dir("r1"))
		s.wantSays(second, "same "+root+"/r2/run "+dir("r2"))
		s.wantSays(s.prepareStored(c, first.Info().SHA256), "same "+root+"/r1/run "+dir("r1"))
		os.Remove(root + "/current")
		if name, err := first.Name(sum); err == nil {
			t.Errorf("a link that is missing just now leads to %s", name)
		}
	}
	link("r1")
	plain := s.prepare(Command{App: "app", Args: []string{root + "/r1/run"}, Dir: root})
	if i := plain.Info(); i.SHA256 != plain.sum || i.Directory != "" || plain.Ways() != nil {
		t.Errorf("without a link: %+v, %q", i, plain.Ways())
	}
}

// wantName checks the hash that a release would get if it were prepared now.
func (s *shelf) wantName(release *Release, want string) {
	s.t.Helper()
	if name, err := release.Name(release.sum); err != nil || name != want {
		s.t.Errorf("its name is %s, %v, want %s", name, err, want)
	}
}

// TestLinkToProgram: when a link has moved, the program that it led to is still there, with the
// files beside it.
func TestLinkToProgram(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	root, link := s.deploy()
	putRelease(t, root+"/r1/sleep", "v1")
	putRelease(t, root+"/r2/sleep", "v2")
	c := Command{App: "app", Args: []string{root + "/current/sleep", "60"}}
	old := s.prepare(c)
	link("r2")
	s.wantRuns(old, root+"/r1/sleep", "v1")
	s.wantRuns(s.prepare(c), root+"/r2/sleep", "v2")
}

// TestFullDisk: a reload refuses a release that could not be kept for a rollback.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	mountTmpfs(t, s.snapshots, 0, "size=16k")
	putRelease(t, s.program, "v1")
	c := s.command()
	c.NeedCopy = true
	_, err := s.Prepare(c)
	if err == nil {
		t.Fatal("the release is prepared")
	}
	wantError(t, err.Error(), "cannot keep a copy of "+s.program+" (", "KiB): the disk of "+s.snapshots+" is full (",
		"free some, or set RELEVO_STATE_DIR")
	c.NeedCopy = false
	s.wantRuns(s.prepare(c), s.program, "v1")
}

func TestDescribeBuild(t *testing.T) {
	t.Parallel()
	vcs := func(revision, modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs.revision", Value: revision}, {Key: "vcs.modified", Value: modified}}
	}
	for _, c := range []struct {
		version  string
		settings []debug.BuildSetting
		want     string
	}{
		{"v1.4.2", vcs("ab12cd3456", "false"), "v1.4.2 (ab12cd3)"},
		{"v1.4.2+dirty", vcs("ab12cd3456", "true"), "v1.4.2 (ab12cd3+dirty)"},
		{"(devel)", vcs("ab12cd3456", "true"), "(ab12cd3+dirty)"},
		{"(devel)", nil, ""},
		{"v1.4.2", nil, "v1.4.2"},
		{"v1.4.2+dirty", nil, "v1.4.2+dirty"},
	} {
		build := &debug.BuildInfo{Main: debug.Module{Version: c.version}, Settings: c.settings}
		if got := describeBuild(build); got != c.want {
			t.Errorf("%v is %q, want %q", c, got, c.want)
		}
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	base := Command{App: "app", Args: []string{"a", "b"}}
	other := base
	other.App, other.NeedCopy = "other", true
	if base.Fingerprint() != other.Fingerprint() || len(base.Fingerprint()) != 12 {
		t.Error("the app's name, or that it needs copies, changes the fingerprint")
	}
	seen := map[string]bool{base.Fingerprint(): true}
	for _, change := range []func(*Command){
		func(c *Command) { c.Args = []string{"a b"} },
		func(c *Command) { c.Env = []string{"A=1"} },
		func(c *Command) { c.EnvFiles = []string{"A=1"} },
		func(c *Command) { c.Dir = "/" },
		func(c *Command) { c.Limits.MaxMemory = 1 },
	} {
		c := base
		change(&c)
		if seen[c.Fingerprint()] {
			t.Errorf("%+v has the same fingerprint as another command", c)
		}
		seen[c.Fingerprint()] = true
	}
}
