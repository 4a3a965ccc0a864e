package watch

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/testbuffer"
)

// TestTreeLimits: when a limit of inotify is reached, the files are polled, and the log names the
// limit and how to raise it.
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
				whole := filepath.Join(t.TempDir(), "f.txt") // a file that is being written may be reported twice
				put(t, whole, v2)
				if err := os.Rename(whole, path); err != nil {
					t.Fatal(err)
				}
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

// TestTreeSilent: a file system without events for changes made elsewhere is polled, and the log
// says so.
func TestTreeSilent(t *testing.T) {
	t.Parallel()
	log := &testbuffer.Buffer{}
	tree, err := NewTree(TreeOptions{Set: Set{Exact: []string{"/proc/sys/kernel/ostype"}},
		Log: slog.New(slog.NewTextHandler(log, nil))})
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

// TestTreeShut: a directory that may not be read is left out, and the log names it. It causes no
// polling, and its files count as soon as it may be read.
func TestTreeShut(t *testing.T) {
	dir := openDir(t)
	for _, sub := range []string{"open", "shut"} {
		put(t, filepath.Join(dir, sub, "f.txt"), v1)
	}
	shut := filepath.Join(dir, "shut")
	if err := os.Chmod(shut, 0); err != nil {
		t.Fatal(err)
	}
	var r *treeRig
	unprivileged(t, func() { r = watchTree(t, dir, TreeOptions{}, "**") })
	if said := r.log.String(); !strings.Contains(said, "a directory is left out: it cannot be read\" path="+shut) ||
		strings.Contains(said, "polled") {
		t.Errorf("the log says %s", said)
	}
	if n := r.tree.Files(); n != 1 {
		t.Errorf("%d files", n)
	}
	if err := os.Chmod(shut, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := r.next(); !slices.Equal(got, []string{"shut/f.txt"}) {
		t.Errorf("what can be read now: %q", got)
	}
}

// unprivileged runs f without root's right to read everything. setfsuid(2) changes only the
// calling thread.
func unprivileged(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Setfsuid(nobody); err != nil {
		t.Fatal(err)
	}
	f()
	if err := unix.Setfsuid(0); err != nil {
		t.Fatal(err)
	}
}
