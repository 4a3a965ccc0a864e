package launch

import (
	"os"
	"strings"
	"testing"
)

// TestDeletedDirectoryIsNamed: the reason of a failure names a deleted working directory.
func TestDeletedDirectoryIsNamed(t *testing.T) {
	r := newRig(t)
	dir := t.TempDir() + "/work"
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c := shell("exit 3")
	c.Dir = dir
	release := r.prepare(c)
	if gone := release.DeletedDirectory(); gone != "" {
		t.Errorf("%s counts as deleted", gone)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if gone := release.DeletedDirectory(); gone != dir {
		t.Errorf("%q counts as deleted, want %s", gone, dir)
	}
	if hint := r.startOf(release, order).exit().Hint; !strings.Contains(hint, dir+" was deleted") {
		t.Errorf("hint %q", hint)
	}
}
