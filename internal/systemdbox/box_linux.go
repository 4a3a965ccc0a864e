package systemdbox

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"relevo/internal/procfs"
	"relevo/internal/testreq"
)

//go:embed boot.sh
var bootScript string

// tooLong is longer than anything here takes, on a busy machine too.
const tooLong = 60 * time.Second

// glance is the pause between two looks at something that is awaited.
const glance = 10 * time.Millisecond

// Box is a running systemd.
type Box struct {
	// Dir is a directory that the test and the box share under this path.
	Dir string

	t       testing.TB
	base    string
	cgroup  string // in the test's mount of cgroup v2
	console string // what is said before the journal runs
	pid     int    // of the box's PID 1, as the test sees it
	ended   chan struct{}
}

// Start boots a systemd with units in /etc/systemd/system, by name. It returns when
// the boot is done.
func Start(t testing.TB, units map[string]string) *Box {
	t.Helper()
	testreq.Root(t)
	for _, program := range []string{"unshare", "nsenter", "mount", "pivot_root", "systemctl", "journalctl"} {
		testreq.Program(t, program)
	}
	if _, err := os.Stat("/lib/systemd/systemd"); err != nil {
		testreq.Missing(t, err.Error())
	}
	base, err := os.MkdirTemp("", "box") // short: sockets lie below
	if err != nil {
		t.Fatal(err)
	}
	b := &Box{t: t, base: base, Dir: filepath.Join(base, "d"), console: filepath.Join(base, "console"),
		ended: make(chan struct{})}
	t.Cleanup(b.remove)
	for _, dir := range []string{b.Dir, b.scratch(), b.units()} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(base, 0o755); err != nil { // services have users of their own
		t.Fatal(err)
	}
	for name, text := range units {
		if err := os.WriteFile(filepath.Join(b.units(), name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b.cgroup = makeCgroup(t)
	b.boot()
	return b
}

func (b *Box) scratch() string { return filepath.Join(b.base, "s") }
func (b *Box) units() string   { return filepath.Join(b.base, "u") }

// makeCgroup makes a cgroup for a box beside those of others.
func makeCgroup(t testing.TB) string {
	mounts, err := procfs.Self.Mounts()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mounts {
		// The root of the hierarchy, for a cgroup with processes cannot have controllers.
		if m.Kind == "cgroup2" {
			dir, err := os.MkdirTemp(m.Point, "relevo-box-")
			if err == nil {
				err = os.Chmod(dir, 0o755) // a user's own systemd looks for its cgroup below
			}
			if err != nil {
				testreq.Missing(t, "cannot make a cgroup: "+err.Error())
			}
			return dir
		}
	}
	testreq.Missing(t, "no cgroup v2 is mounted")
	return ""
}

// boot starts the init and waits until it says READY=1, as the manager of a
// container does for whoever started that.
func (b *Box) boot() {
	b.t.Helper()
	address := "@relevo-box-" + filepath.Base(b.base)
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		b.t.Fatal(err)
	}
	defer notify.Close()
	started := make(chan error, 1)
	go b.live(address, started)
	if err := <-started; err != nil {
		close(b.ended)
		if errors.Is(err, fs.ErrPermission) {
			testreq.Missing(b.t, "cannot make namespaces: "+err.Error())
		}
		b.t.Fatal(err)
	}
	notify.SetReadDeadline(time.Now().Add(tooLong))
	go func() {
		<-b.ended // nobody will say anything any more
		notify.SetReadDeadline(time.Unix(1, 0))
	}()
	for message := make([]byte, 4096); ; {
		n, err := notify.Read(message)
		if err != nil {
			said, _ := os.ReadFile(b.console)
			b.t.Fatalf("systemd did not come up: %v\n%s", err, said)
		}
		if strings.Contains("\n"+string(message[:n])+"\n", "\nREADY=1\n") {
			return
		}
	}
}

// live runs the init to its end. The kernel kills it when the thread ends that has
// started it, so this goroutine keeps one.
func (b *Box) live(address string, started chan<- error) {
	runtime.LockOSThread()
	console, err := os.Create(b.console)
	if err != nil {
		started <- err
		return
	}
	defer console.Close()
	group, err := os.Open(b.cgroup)
	if err != nil {
		started <- err
		return
	}
	defer group.Close()
	// The namespace of cgroups comes when the process is in the box's, which is to
	// be its root.
	cmd := exec.Command("unshare", "--cgroup", "sh", "-c", bootScript, "boot.sh", b.scratch(), b.units(), b.Dir)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+address)
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		UseCgroupFD: true, CgroupFD: int(group.Fd()),
		Pdeathsig: syscall.SIGKILL, Setsid: true,
	}
	if err := cmd.Start(); err != nil {
		started <- fmt.Errorf("cannot boot: %w", err)
		return
	}
	b.pid = cmd.Process.Pid
	started <- nil
	cmd.Wait()
	close(b.ended)
}

// remove ends the box and takes away what it was made of.
func (b *Box) remove() {
	if b.pid != 0 {
		if b.t.Failed() {
			out, _ := b.Command("journalctl", "--no-pager", "-o", "short-monotonic", "-n", "200").CombinedOutput()
			b.t.Logf("the box's journal:\n%s", out)
		}
		// Ours and not yet waited for: the number is nobody else's.
		select {
		case <-b.ended:
		default:
			syscall.Kill(b.pid, syscall.SIGKILL)
			<-b.ended
		}
	}
	if b.cgroup != "" {
		removeCgroups(b.cgroup)
		if _, err := os.Stat(b.cgroup); err == nil {
			b.t.Errorf("the box's cgroup %s is left", b.cgroup)
		}
	}
	if err := os.RemoveAll(b.base); err != nil {
		b.t.Errorf("the box's directory is left: %v", err)
	}
}

// removeCgroups removes a cgroup and those below it. A process that was killed is
// in its cgroup until somebody has waited for it.
func removeCgroups(dir string) {
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
			return
		}
	}
}

// Path is where the test finds a file of the box.
func (b *Box) Path(inside string) string {
	return filepath.Join("/proc", strconv.Itoa(b.pid), "root", inside)
}
