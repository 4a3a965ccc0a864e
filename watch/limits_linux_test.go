package watch

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/testreq"
)

// child is a helper process that watches a file.
type child struct {
	t       *testing.T
	cmd     *exec.Cmd
	changes chan Change
	log     chan string // its stderr, line by line
}

// nobody is an id that owns nothing.
const nobody = 65534

// startChild has a copy of this test binary watch path, through the shell
// commands given before it.
func startChild(t *testing.T, path, before string, attr *syscall.SysProcAttr) *child {
	t.Helper()
	self := filepath.Join(openDir(t), "watch.test")
	sh(t, ".", `cp /proc/`+fmt.Sprint(os.Getpid())+`/exe "`+self+`"`)
	cmd := exec.Command("sh", "-ec", before+`exec "$0"`, self)
	cmd.Env = append(os.Environ(), helperEnv+"="+path)
	cmd.SysProcAttr = attr
	c := &child{t: t, cmd: cmd, changes: make(chan Change, 100), log: make(chan string, 10000)}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		testreq.Missing(t, "cannot start a child with other rights: "+err.Error())
	}
	read := make(chan struct{}, 2)
	go func() { c.readChanges(stdout); read <- struct{}{} }()
	go func() { c.readLog(stderr); read <- struct{}{} }()
	t.Cleanup(func() {
		stdin.Close()
		<-read
		<-read
		if err := cmd.Wait(); err != nil {
			t.Errorf("the child ended with %v", err)
		}
	})
	return c
}

// openDir returns a directory that other users can enter.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (c *child) readChanges(r io.Reader) {
	for d := json.NewDecoder(r); ; {
		var change Change
		if err := d.Decode(&change); err != nil {
			return
		}
		c.changes <- change
	}
}

func (c *child) readLog(r io.Reader) {
	for s := bufio.NewScanner(r); s.Scan(); {
		c.log <- s.Text()
	}
}

func (c *child) logged(text string) string {
	c.t.Helper()
	var all []string
	late := time.After(tooLong)
	for {
		select {
		case line := <-c.log:
			if all = append(all, line); strings.Contains(line, text) {
				return line
			}
		case <-late:
			c.t.Fatalf("%q was not logged, but:\n%s", text, strings.Join(all, "\n"))
		}
	}
}

func (c *child) want(content string) {
	c.t.Helper()
	select {
	case change := <-c.changes:
		if change.SHA256 != hashOf(content) {
			c.t.Fatalf("a Change to other bytes: %+v", change)
		}
	case <-time.After(tooLong):
		c.t.Fatal("no Change")
	}
}

func asNobody(t *testing.T) *syscall.SysProcAttr {
	t.Helper()
	testreq.Root(t)
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
}

// A directory that may be passed but not read cannot be watched: the path is polled.
func TestUnreadableDirectory(t *testing.T) {
	t.Parallel()
	attr := asNobody(t)
	dir := openDir(t)
	path := filepath.Join(dir, "d/srv")
	put(t, path, v1)
	put(t, filepath.Join(dir, "d/next"), v2)
	os.Chmod(filepath.Dir(path), 0o711)
	c := startChild(t, path, "", attr)
	line := c.logged("polling")
	if !strings.Contains(line, "every=2s") || !strings.Contains(line, "need read permission") {
		t.Errorf("the log does not help: %s", line)
	}
	c.logged("checked")
	sh(t, filepath.Dir(path), "mv next srv")
	c.want(v2)
}

// Leases are for the owner. Others wait until the file stays the same.
func TestForeignFile(t *testing.T) {
	t.Parallel()
	attr := asNobody(t)
	path := filepath.Join(openDir(t), "srv")
	put(t, path, v1)
	c := startChild(t, path, "", attr)
	c.logged("checked")
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // so late that a lease would have been refused
	f.WriteString(v2)
	c.want(v2)
}

// A file that cannot be read is an error at the start, with the reason.
func TestUnreadableFile(t *testing.T) {
	t.Parallel()
	attr := asNobody(t)
	path := filepath.Join(openDir(t), "srv")
	put(t, path, v1)
	os.Chmod(path, 0o711)
	self := filepath.Join(openDir(t), "watch.test")
	sh(t, ".", `cp /proc/`+fmt.Sprint(os.Getpid())+`/exe "`+self+`"`)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), helperEnv+"="+path)
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "cannot watch "+path) ||
		!strings.Contains(string(out), "needs read permission") {
		t.Errorf("%v: %s", err, out)
	}
}

// Where the limits of inotify are used up, the path is polled.
func TestLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ limit, says string }{
		"watches":   {"echo 1 > /proc/sys/user/max_inotify_watches; ", "fs.inotify.max_user_watches"},
		"instances": {"echo 0 > /proc/sys/user/max_inotify_instances; ", "inotify"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(openDir(t), "srv")
			put(t, path, v1)
			attr := &syscall.SysProcAttr{
				Cloneflags:  syscall.CLONE_NEWUSER,
				UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
			}
			child := startChild(t, path, c.limit, attr)
			if line := child.logged("polling"); !strings.Contains(line, c.says) {
				t.Errorf("the log does not say %q: %s", c.says, line)
			}
			child.logged("checked")
			put(t, path, v2)
			child.want(v2)
		})
	}
}

// Options.Poll works without any event.
func TestPoll(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "srv")
	put(t, path, v1)
	w, err := New(Options{Path: path, Poll: 10 * time.Millisecond, Quiet: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	l := newLoop(w)
	l.hints.close()
	l.hints.fs, l.hints.broken = nil, errors.New("no events in this test")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { l.run(ctx); close(ended) }()
	for _, content := range []string{v2, v1, v3} {
		put(t, path, content)
		if c := <-w.Changes(); c.SHA256 != hashOf(content) {
			t.Errorf("%+v", c)
		}
	}
	cancel()
	<-ended
	l.close()
}

// File systems without events are recognised, and named as the reason for polling.
func TestSilentFilesystem(t *testing.T) {
	t.Parallel()
	if name := silentFilesystem(t.TempDir()); name != "" {
		t.Errorf("the test's directory is on %q", name)
	}
	h := newHints()
	defer h.close()
	if _, trouble := h.look("/proc/sys/kernel/ostype"); trouble == nil ||
		!strings.Contains(trouble.Error(), "is on proc") {
		t.Errorf("a file in /proc is trusted to give events: %v", trouble)
	}
	if _, trouble := h.look(filepath.Join(t.TempDir(), "srv")); trouble != nil {
		t.Errorf("a file elsewhere is not: %v", trouble)
	}
}

// A look-up whose events begin to matter has to be repeated, because earlier events were
// ignored.
func TestNewNamesAreLookedUpAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := newHints()
	defer h.close()
	h.look(dir + "/x")
	for _, want := range []bool{true, false} {
		if added, trouble := h.follow(resolve(dir + "/y")); added != want || trouble != nil {
			t.Errorf("added %v, want %v; %v", added, want, trouble)
		}
	}
}

// A bind mount is the same directory under two paths, for which fsnotify has
// one watch. It is polled while both count, and watched again after that.
func TestBindMount(t *testing.T) {
	t.Parallel()
	testreq.Root(t)
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	put(t, filepath.Join(b, "srv"), v1)
	os.Mkdir(a, 0o755)
	if err := unix.Mount(b, a, "", unix.MS_BIND, ""); err != nil {
		testreq.Missing(t, "cannot make a bind mount: "+err.Error())
	}
	t.Cleanup(func() { unix.Unmount(a, unix.MNT_DETACH) })
	sh(t, dir, `ln -s "$PWD/b/srv" b/second; ln -s a/second link`)
	r := watchPath(t, dir, "link", Options{})
	for range 5 {
		if log := r.log.String(); strings.LastIndex(log, "one watch only") <= strings.LastIndex(log, "trusted again") {
			t.Errorf("polling was not started:\n%s", log)
		}
		r.sh(`ln -sfn b/srv link`)
		r.none(v1)
		if log := r.log.String(); strings.LastIndex(log, "can be trusted again") <= strings.LastIndex(log,
			"cannot be trusted") {
			t.Errorf("polling was not ended:\n%s", log)
		}
		r.sh(`rm b/srv`)
		r.until("the file missing", func(c outcome) bool { return errors.Is(c.err, os.ErrNotExist) })
		put(t, filepath.Join(b, "srv"), v2)
		r.want(v2)
		put(t, r.path, v1)
		r.want(v1)
		r.sh(`ln -sfn a/second link`)
		r.none(v1)
	}
}

// An idle watch never wakes up: over whole seconds, longer than any poll, no
// thread of the process is given the CPU.
func TestIdle(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "srv")
	put(t, path, v1)
	c := startChild(t, path, "", nil)
	c.logged("checked")
	// The Go runtime itself needs some seconds until it is idle, and many on a busy machine.
	const window = 3 * time.Second
	before := wakeups(t, c.cmd.Process.Pid)
	tick := time.NewTicker(window)
	defer tick.Stop()
	for deadline := time.Now().Add(3 * tooLong); time.Now().Before(deadline); {
		<-tick.C
		after := wakeups(t, c.cmd.Process.Pid)
		if after == before {
			return
		}
		t.Logf("%d wake-ups in %v", after-before, window)
		before = after
	}
	t.Error("the idle watch does not come to rest")
}

// wakeups returns how often the threads of a process went to sleep.
func wakeups(t *testing.T, pid int) int {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("no threads of %d: %v", pid, err)
	}
	total := 0
	for _, task := range tasks {
		for line := range strings.Lines(contentOf(t, task)) {
			var n int
			if _, err := fmt.Sscanf(line, "voluntary_ctxt_switches: %d", &n); err == nil {
				total += n
			}
		}
	}
	return total
}
