package watch

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTreeLimits: where the limits of inotify are used up, the files are polled,
// and it is said which limit that is and how to raise it.
func TestTreeLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ limit, says string }{
		"watches":   {"echo 2 > /proc/sys/user/max_inotify_watches; ", "sudo sysctl -w fs.inotify.max_user_watches="},
		"instances": {"echo 0 > /proc/sys/user/max_inotify_instances; ", "sudo sysctl -w fs.inotify.max_user_instances="},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := openDir(t)
			for _, sub := range []string{"a/b", "c", "d"} {
				put(t, filepath.Join(dir, sub, "f.txt"), v1)
			}
			attr := &syscall.SysProcAttr{
				Cloneflags:  syscall.CLONE_NEWUSER,
				UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
			}
			child := startChild(t, dir+"/**", c.limit, attr)
			if line := child.logged("polled"); !strings.Contains(line, c.says) {
				t.Errorf("the log does not say %q: %s", c.says, line)
			}
			for _, sub := range []string{"a/b", "c", "d"} {
				path := filepath.Join(dir, sub, "f.txt")
				put(t, path, v2)
				child.wantPath(path)
			}
		})
	}
}

func (c *child) wantPath(path string) {
	c.t.Helper()
	select {
	case change := <-c.changes:
		if change.Path != path {
			c.t.Errorf("%s changed, want %s", change.Path, path)
		}
	case <-time.After(tooLong):
		c.t.Fatalf("no change of %s", path)
	}
}

// TestTreeSilent: a file system without events of others' changes is polled, and
// that is said.
func TestTreeSilent(t *testing.T) {
	t.Parallel()
	log := &logBuffer{}
	tree, err := NewTree(TreeOptions{Set: Set{Exact: []string{"/proc/sys/kernel/ostype"}}, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.loop.close()
	if text := log.String(); !strings.Contains(text, "is on proc") || !strings.Contains(text, "polled") {
		t.Errorf("the log does not say that it polls, or why: %s", text)
	}
	if tree.loop.poll == nil {
		t.Error("it does not poll")
	}
}
