package launch

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/testreq"
)

// noCopy checks that a release without a copy says so, and still runs its bytes from the open file.
func noCopy(t *testing.T, s *shelf, says ...string) {
	t.Helper()
	putRelease(t, s.program, "v1")
	release := s.prepare(s.command())
	wantError(t, s.log.String(), append(says, "level=WARN", "no copy of the executable: its open file is used instead",
		s.program)...)
	if info := release.Info(); len(info.SHA256) != 64 {
		t.Errorf("the release is %+v", info)
	}
	s.wantRuns(release, s.program, "v1")
	putRelease(t, s.program, "v2")
	s.wantRuns(release, s.program+" (deleted)", "v1")
	if got := s.copies(); len(got) > 0 {
		t.Errorf("these copies exist: %q", got)
	}
}

func TestNoPlaceForCopies(t *testing.T) {
	t.Parallel()
	t.Run("a file in the way", func(t *testing.T) {
		s := newShelf(t)
		if err := os.WriteFile(filepath.Dir(s.snapshots), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		noCopy(t, s, "cannot keep a copy of ", "not a directory")
	})
	t.Run("none wanted", func(t *testing.T) {
		s := newShelf(t)
		s.store = nil
		noCopy(t, s)
	})
	t.Run("full", func(t *testing.T) {
		s := newShelf(t)
		mountTmpfs(t, s.snapshots, 0, "size=16k")
		noCopy(t, s, "the disk of "+s.snapshots+" is full (", "B free)")
		if left, err := os.ReadDir(s.snapshots); err != nil || len(left) > 0 {
			t.Errorf("%v is left of the failed copy, %v", left, err)
		}
	})
	t.Run("read-only", func(t *testing.T) {
		s := newShelf(t)
		mountTmpfs(t, s.snapshots, unix.MS_RDONLY, "size=16k")
		noCopy(t, s, "read-only file system")
	})
	t.Run("noexec", func(t *testing.T) {
		s := newShelf(t)
		mountTmpfs(t, s.snapshots, unix.MS_NOEXEC, "size=4m")
		noCopy(t, s, "programs may not be run from "+s.snapshots)
		if left, err := os.ReadDir(s.snapshots); err != nil || len(left) > 0 {
			t.Errorf("%v is left of the useless copy, %v", left, err)
		}
	})
}

func mountTmpfs(t *testing.T, dir string, flags uintptr, data string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("relevo-test", dir, "tmpfs", flags, "mode=711,"+data); err != nil {
		testreq.Missing(t, "this test mounts a tmpfs: "+err.Error())
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}
