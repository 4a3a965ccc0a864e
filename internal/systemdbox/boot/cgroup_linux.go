package boot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"relevo/internal/procfs"
)

// makeCgroup makes a cgroup for a system beside those of others.
func makeCgroup() (string, error) {
	mounts, err := procfs.Self.Mounts()
	if err != nil {
		return "", err
	}
	for _, m := range mounts {
		// The root of the hierarchy, because a cgroup with processes cannot have controllers.
		if m.Kind != "cgroup2" {
			continue
		}
		dir, err := os.MkdirTemp(m.Point, "relevo-box-")
		if err == nil {
			err = os.Chmod(dir, 0o755) // a user's own systemd looks for its cgroup below
		}
		if err != nil {
			return dir, Absent{"cannot make a cgroup: " + err.Error()}
		}
		return dir, nil
	}
	return "", Absent{"no cgroup v2 is mounted"}
}

// glance is the pause between two looks at cgroups that empty.
const glance = 10 * time.Millisecond

// removeCgroups removes a cgroup and those below it. A process that was killed is in its cgroup
// until its parent has waited for it.
func removeCgroups(dir string) error {
	for deadline := time.Now().Add(tooLong); time.Now().Before(deadline); time.Sleep(glance) {
		var dirs []string
		filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for i := len(dirs) - 1; i >= 0; i-- {
			syscall.Rmdir(dirs[i])
		}
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	return fmt.Errorf("the cgroup %s is left", dir)
}
