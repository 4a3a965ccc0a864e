package launch

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"relevo/internal/config"
	"relevo/internal/testreq"
)

// TestTakeOverUser: a release runs as the user for which it was prepared, even if that user cannot
// be looked up any more.
func TestTakeOverUser(t *testing.T) {
	testreq.Root(t)
	r := newRig(t)
	c := shell("id -u")
	c.Limits = config.Limits{User: "nobody"}
	release, err := r.Prepare(c)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := release.User()
	c.Limits.User = "no-such-user-any-more"
	heir, err := r.TakeOver(c, release.Legacy())
	if err != nil {
		t.Fatal(err)
	}
	defer heir.Close()
	if uid, _ := heir.User(); uid != want || uid == 0 {
		t.Errorf("workers run as %d, want %d", uid, want)
	}
}

// TestTakeOverDirectory: the working directory is reopened, so that it has a path in the mount
// namespace of this master. A directory that was deleted or replaced is kept as it is.
func TestTakeOverDirectory(t *testing.T) {
	for name, before := range map[string]func(dir string) error{
		"stays":       func(string) error { return nil },
		"is deleted":  os.Remove,
		"is replaced": func(dir string) error { return errors.Join(os.Rename(dir, dir+"-old"), os.Mkdir(dir, 0o755)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			c := shell("true")
			c.Dir = filepath.Join(t.TempDir(), "work")
			if err := os.Mkdir(c.Dir, 0o755); err != nil {
				t.Fatal(err)
			}
			release, err := r.Prepare(c)
			if err != nil {
				t.Fatal(err)
			}
			legacy := release.Legacy()
			former := legacy.Files[directoryFile]
			if err := before(c.Dir); err != nil {
				t.Fatal(err)
			}
			heir, err := r.TakeOver(c, legacy)
			if err != nil {
				t.Fatal(err)
			}
			defer heir.Close()
			if reopened := heir.dirFile != former; reopened != (name == "stays") {
				t.Errorf("reopened: %v", reopened)
			}
		})
	}
}
