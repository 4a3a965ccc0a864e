package launch

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
)

// scriptShelf is a shelf whose program is a script for sh, in a directory of its own, and a command
// that runs it.
func scriptShelf(t *testing.T, args ...string) (*shelf, Command) {
	s := newShelf(t)
	s.Store().SetKeep(9)
	s.program = filepath.Join(filepath.Dir(s.program), "app.sh")
	return s, Command{App: "app", Args: args, Dir: filepath.Dir(s.program)}
}

// write puts the script into place, and returns its sha256.
func (s *shelf) write(text string) string {
	s.t.Helper()
	s.put(text, os.Getuid(), os.Getgid(), 0o644)
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// TestInterpreted: if an interpreter runs a script, the script is the release, is copied, and is
// watched.
func TestInterpreted(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"sh":      {"sh", "-e", "app.sh", "x"},
		"env":     {"env", "X=1", "sh", "app.sh", "x"},
		"placed":  {"/bin/sh", "-e", "", "x"},
		"wrapped": {"nice", "-n", "1", "env", "sh", "app.sh", "x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := scriptShelf(t, args...)
			given := "app.sh"
			if name == "placed" {
				given = s.program
				c.Args[2] = given
			}
			one := s.write("echo one $0 $1\n")
			old := s.prepare(c)
			if i := old.Info(); i.SHA256 != one || i.Path != s.program || old.Source() != s.program {
				t.Errorf("the release is %+v of %s, want %s", i, old.Source(), one)
			}
			if now, err := old.Name(one); err != nil || now != one {
				t.Errorf("its name is %s, %v", now, err)
			}
			s.wantSays(old, "one "+given+" x")
			two := s.write("echo two $0 $1\n")
			s.wantSays(old, "one "+s.snapshots+"/"+one+"/app.sh x")
			next := s.prepare(c)
			if next.Info().SHA256 != two {
				t.Errorf("the next release is %+v, want %s", next.Info(), two)
			}
			s.wantSays(next, "two "+given+" x")
			s.wantSays(s.prepareStored(c, one[:9]), "one "+s.snapshots+"/"+one+"/app.sh x")
			if err := os.Remove(s.program); err != nil {
				t.Fatal(err)
			}
			s.wantSays(s.prepareStored(c, two), "two "+s.snapshots+"/"+two+"/app.sh x")
			copies := s.copies()
			slices.Sort(copies)
			want := []string{one + "/app.sh", two + "/app.sh"}
			slices.Sort(want)
			if !slices.Equal(copies, want) {
				t.Errorf("copies are %q, want %q", copies, want)
			}
		})
	}
}

// TestInterpretedOverSuccession: the next master runs the same script with the same interpreter.
func TestInterpretedOverSuccession(t *testing.T) {
	t.Parallel()
	s, c := scriptShelf(t, "sh", "app.sh")
	one := s.write("echo one $0\n")
	c.Listeners = s.listeners
	legacy := s.prepare(c).Legacy()
	for name, file := range legacy.Files {
		fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		legacy.Files[name] = os.NewFile(uintptr(fd), file.Name())
	}
	heir, err := s.TakeOver(c, legacy)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { heir.Close() })
	s.wantSays(heir, "one app.sh")
	s.write("echo two $0\n")
	s.wantSays(heir, "one "+s.snapshots+"/"+one+"/app.sh")
	if heir.Source() != s.program || heir.Info().SHA256 != one {
		t.Errorf("it is %+v of %s", heir.Info(), heir.Source())
	}
}

// TestInterpreterReplaced: respawns use the interpreter with which the release began, even if that
// was replaced or removed.
func TestInterpreterReplaced(t *testing.T) {
	t.Parallel()
	for _, byDescriptor := range []bool{true, false} {
		s, c := scriptShelf(t, "./sh", "app.sh")
		s.byDescriptor = byDescriptor && s.byDescriptor
		s.write("sleep 60; true\n")
		shell, err := os.ReadFile("/bin/sh")
		if err != nil {
			t.Fatal(err)
		}
		sh := filepath.Join(c.Dir, "sh")
		executable(t, sh, string(shell))
		release := s.prepare(c)
		executable(t, sh+".new", string(shell)+" newer")
		if err := os.Rename(sh+".new", sh); err != nil {
			t.Fatal(err)
		}
		c.Args = []string{"./sh", "app.sh"}
		path, mark := s.startOf(release, order).running()
		if path != sh+" (deleted)" || strings.Contains(mark, "newer") {
			t.Errorf("by descriptor %v: it is run by %s", byDescriptor, path)
		}
	}
}

// TestNotCopied: interpreters that belong to the system's packages, or that run apps of others, are
// not copied. Nor is a module that its interpreter finds by itself, although its bytes identify the
// release.
func TestNotCopied(t *testing.T) {
	t.Parallel()
	s, c := scriptShelf(t, python(t), "-Sm", "shop.web")
	module := filepath.Join(c.Dir, "shop", "web.py")
	if err := os.Mkdir(filepath.Dir(module), 0o755); err != nil {
		t.Fatal(err)
	}
	name := func() string {
		t.Helper()
		return s.prepare(c).Info().SHA256
	}
	executable(t, module, "print(1)\n")
	before := name()
	executable(t, module, "print(2)\n")
	if after := name(); after == before {
		t.Error("a changed module is the same release")
	}
	s.prepare(shell("exit 0"))
	if got := s.copies(); len(got) > 0 {
		t.Errorf("these copies exist: %q", got)
	}
	if log := s.log.String(); log != "" {
		t.Errorf("it warns: %s", log)
	}
	own := executable(t, filepath.Join(c.Dir, "sh"), "#!/bin/sh\n")
	s.prepare(Command{App: "app", Args: []string{own}})
	if got := s.copies(); len(got) != 1 {
		t.Errorf("of an interpreter of the user these copies exist: %q", got)
	}
	c.ExecFrom = config.ExecSnapshot
	if _, err := s.Prepare(c); err == nil {
		t.Error("a module is run from a copy")
	} else {
		wantError(t, err.Error(), "its interpreter finds it by itself", "exec_from")
	}
}

// TestBelongsToSystem: a cheap rule, which must not take a program of the user for one of the
// system.
func TestBelongsToSystem(t *testing.T) {
	t.Parallel()
	own := executable(t, filepath.Join(t.TempDir(), "node"), "")
	for path, want := range map[string]bool{own: false, "/bin/sh": true, "/usr/bin/env": true, "/bin/cat": false,
		"/no/such/node": false} {
		if got := belongsToSystem(filepath.Base(path), path); got != want {
			t.Errorf("%s belongs to the system: %v", path, got)
		}
	}
}

// TestCopyWithoutNeighbours: a script that misses its neighbours beside its copy is started from its
// path, which works. The log says so.
func TestCopyWithoutNeighbours(t *testing.T) {
	t.Parallel()
	s, c := scriptShelf(t, "sh", "app.sh")
	s.write(". \"$(dirname \"$0\")/lib.sh\"\n")
	executable(t, filepath.Join(c.Dir, "lib.sh"), "echo first\n")
	release := s.prepare(c)
	s.write("echo second; . \"$(dirname \"$0\")/lib.sh\"\n")
	if exited := s.startOf(release, order).exit(); exited.Status.Code == 0 {
		t.Errorf("the copy found a neighbour: %+v", exited)
	}
	s.wantSays(release, "second\nfirst")
	wantError(t, s.log.String(), "the script's copy does not start: the next worker runs what lies at its path now")
}
