package launch

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/pool"
)

// scenery is what a worker finds in its process.
type scenery struct {
	PID, Parent, Group, Session int
	Dir                         string
	Args, Env                   []string
	Inherited                   map[int]string // descriptors that it did not open itself
	Blocking                    []int
}

var tellsScenery = behaves("tell-scenery", func() {
	s := scenery{PID: os.Getpid(), Parent: os.Getppid(), Args: os.Args, Env: os.Environ(), Inherited: map[int]string{}}
	s.Group, _ = unix.Getpgid(0)
	s.Session, _ = unix.Getsid(0)
	s.Dir, _ = unix.Getwd()
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		fd, _ := strconv.Atoi(entry.Name())
		// An inherited descriptor came through an exec; Go closes its own ones there.
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC != 0 {
			continue
		}
		s.Inherited[fd], _ = os.Readlink("/proc/self/fd/" + entry.Name())
		if flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); flags&unix.O_NONBLOCK == 0 {
			s.Blocking = append(s.Blocking, fd)
		}
	}
	json.NewEncoder(os.Stdout).Encode(s)
})

// sceneryOf runs a worker to its end and returns what it found.
func (r *rig) sceneryOf(c Command) (s scenery, pid int) {
	r.t.Helper()
	w := r.start(c)
	exited := w.exit()
	if !saw[pool.Online](w) {
		r.t.Fatalf("the worker never ran: %v, %s", exited.Status, exited.Hint)
	}
	if err := json.Unmarshal([]byte(r.out.String()), &s); err != nil {
		r.t.Fatalf("%v: %q; stderr %q; %v", err, r.out, r.err, exited.Status)
	}
	return s, w.PID()
}

func socketOf(t *testing.T, file *os.File) string {
	t.Helper()
	target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// openStrays opens descriptors that a master should not have, but may have: inherited ones, and
// those of libraries that do not set close-on-exec.
func openStrays(t *testing.T) {
	t.Helper()
	for range 5 {
		fd, err := unix.Open("/dev/zero", unix.O_RDONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		high, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD, 900+fd)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(high) })
	}
}

func TestWorkerInheritsItsDescriptorsOnly(t *testing.T) {
	openStrays(t)
	r := newRig(t, "web", "admin", "metrics")
	s, _ := r.sceneryOf(tellsScenery.command())
	if got, want := slices.Sorted(maps.Keys(s.Inherited)), []int{0, 1, 2, 3, 4, 5, 6}; !slices.Equal(got, want) {
		t.Fatalf("the worker inherits the descriptors %v, want %v", s.Inherited, want)
	}
	if s.Inherited[0] != os.DevNull {
		t.Errorf("stdin is %s", s.Inherited[0])
	}
	for _, fd := range []int{1, 2} {
		if !strings.HasPrefix(s.Inherited[fd], "pipe:") {
			t.Errorf("descriptor %d is %s", fd, s.Inherited[fd])
		}
	}
	for i, listener := range r.listeners {
		if got, want := s.Inherited[3+i], socketOf(t, listener.File); got != want {
			t.Errorf("descriptor %d is %s, want %s, the listener %s", 3+i, got, want, listener.Name)
		}
	}
	if !strings.HasPrefix(s.Inherited[6], "socket:") {
		t.Errorf("the channel is %s", s.Inherited[6])
	}
	if want := []int{0, 1, 2, 6}; !slices.Equal(s.Blocking, want) {
		t.Errorf("%v are blocking, want %v: the listeners must not be", s.Blocking, want)
	}
}

func TestWorkerWithoutListenerInheritsTheChannelOnly(t *testing.T) {
	openStrays(t)
	s, _ := newRig(t).sceneryOf(tellsScenery.command())
	if got, want := slices.Sorted(maps.Keys(s.Inherited)), []int{0, 1, 2, 3}; !slices.Equal(got, want) {
		t.Errorf("the worker inherits the descriptors %v, want %v", s.Inherited, want)
	}
	for _, variable := range s.Env {
		if strings.HasPrefix(variable, "LISTEN_") {
			t.Errorf("it has a variable about sockets: %s", variable)
		}
	}
}

func TestWorkerEnvironment(t *testing.T) {
	hidden := map[string]string{
		"TABLEFLIP_HAS_PARENT_7DIU3": "yes", "NOTIFY_SOCKET": "/run/systemd/notify", "LISTEN_PID": strconv.Itoa(os.Getpid()),
		"LISTEN_FDS": "9", "LISTEN_FDNAMES": "x", "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1", "MAINPID": "1",
		"RELEVO_NAME": "outer", "RELEVO_SLOT": "77", "RELEVO_IPC_FD": "99", "RELEVO_RUNTIME_DIR": "/r",
		"NODE_CHANNEL_FD": "3",
	}
	master := map[string]string{}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "RELEVO_") {
			master[name] = value
		}
	}
	for name, value := range hidden {
		t.Setenv(name, value)
		delete(master, name)
	}
	t.Setenv("LAUNCH_TEST_KEPT", "as it was = yes")
	t.Setenv("LAUNCH_TEST_CHANGED", "master")
	file := filepath.Join(t.TempDir(), "app.env")
	if err := os.WriteFile(file, []byte("FROM_FILE=1\nBOTH=file\nLISTEN_PID=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	r := notified(t, "web", "admin")
	c := tellsScenery.command("LAUNCH_TEST_CHANGED=app", "BOTH=app", "RELEVO_WORKER=fake")
	c.EnvFiles, c.Dir = []string{file}, t.TempDir()
	s, pid := r.sceneryOf(c)

	want := maps.Clone(master)
	maps.Copy(want, map[string]string{
		"LAUNCH_TEST_KEPT": "as it was = yes", "LAUNCH_TEST_CHANGED": "app", "FROM_FILE": "1", "BOTH": "app",
		roleEnv: "tell-scenery", "PWD": c.Dir,
		"RELEVO_NAME": "app", "RELEVO_SLOT": "2", "RELEVO_WORKER": "7", "RELEVO_GENERATION": "3", "RELEVO_IPC_FD": "5",
		"NOTIFY_SOCKET": r.opts.NotifySocket,
		"LISTEN_FDS":    "2", "LISTEN_FDNAMES": "web:admin", "LISTEN_PID": strconv.Itoa(pid),
	})
	got := map[string]string{}
	for _, variable := range s.Env {
		name, value, _ := strings.Cut(variable, "=")
		if _, twice := got[name]; twice {
			t.Errorf("%s is set twice", name)
		}
		got[name] = value
	}
	for name := range want {
		if value, there := got[name]; !there || value != want[name] {
			t.Errorf("%s is %q (%v), want %q", name, value, there, want[name])
		}
	}
	for name := range got {
		if _, wanted := want[name]; !wanted {
			t.Errorf("%s=%q should not be set", name, got[name])
		}
	}
}

func TestWorkerProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	real := filepath.Join(dir, "releases", "1")
	if err := os.MkdirAll(real, 0o700); err != nil {
		t.Fatal(err)
	}
	current := filepath.Join(dir, "current")
	if err := os.Symlink(real, current); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, "web", "admin")
	c := tellsScenery.command()
	c.Dir = current
	c.Args = append(c.Args, "--fd={fd:admin}", "{addr}", "{slot}", "", "{as it is}", "a b\nc")
	s, pid := r.sceneryOf(c)

	if s.PID != pid || s.Parent != os.Getpid() {
		t.Errorf("it is process %d of parent %d, want %d of %d", s.PID, s.Parent, pid, os.Getpid())
	}
	session, _ := unix.Getsid(0)
	if s.Group != pid || s.Session != session {
		t.Errorf("it is in group %d of session %d, want %d of %d", s.Group, s.Session, pid, session)
	}
	if s.Dir != real {
		t.Errorf("it runs in %s, want %s", s.Dir, real)
	}
	want := []string{self(), "--fd=4", r.listeners[0].Address, "2", "", "{as it is}", "a b\nc"}
	if !slices.Equal(s.Args, want) {
		t.Errorf("its arguments are %q, want %q", s.Args, want)
	}
}

// TestDirIsResolvedOnce: when a symbolic link moves, the next release follows it, and the workers of
// this release do not.
func TestDirIsResolvedOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := filepath.Join(dir, "current")
	for _, name := range []string{"1", "2"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("1", link); err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	c := Command{App: "app", Args: []string{"sleep", "60"}, Dir: link}
	old := r.prepare(c)
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("2", link); err != nil {
		t.Fatal(err)
	}
	next := r.prepare(c)
	if err := os.Remove(filepath.Join(dir, "1")); err != nil { // its workers can still enter it
		t.Fatal(err)
	}
	for name, release := range map[string]*Release{"1 (deleted)": old, "2": next} {
		w := r.startOf(release, pool.Order{ID: "1"})
		expect[pool.Online](w)
		got, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", w.PID()))
		if want := filepath.Join(dir, name); err != nil || got != want {
			t.Errorf("the worker runs in %q, %v, want %q", got, err, want)
		}
	}
}

// TestUnreadableDir: a worker can enter a directory that it cannot read. (Root can always read it,
// so this test proves more as another user.)
func TestUnreadableDir(t *testing.T) {
	t.Parallel()
	c := tellsScenery.command()
	c.Dir = t.TempDir()
	if err := os.Chmod(c.Dir, 0o111); err != nil {
		t.Fatal(err)
	}
	if s, _ := newRig(t).sceneryOf(c); s.Dir != c.Dir {
		t.Errorf("it runs in %s, want %s", s.Dir, c.Dir)
	}
}
