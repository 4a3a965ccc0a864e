package boot

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
	"strings"
	"syscall"
	"time"
)

//go:embed boot.sh
var bootScript string

// tooLong is longer than a boot or an end takes, on a busy machine too.
const tooLong = 60 * time.Second

// Absent says what this machine, or this user, lacks to boot a systemd.
type Absent struct{ Why string }

func (a Absent) Error() string { return "cannot boot a systemd here: " + a.Why }

// Options are what a system is started with.
type Options struct {
	// Dir is a directory that both sides share under this path. Empty: a new one, which Close
	// removes.
	Dir string
	// Units are the files of /etc/systemd/system, by name.
	Units map[string]string
}

// System is a running systemd.
type System struct {
	// Dir is the directory that both sides share.
	Dir string

	base    string
	cgroup  string // in the caller's mount of cgroup v2
	console string // what is said before the journal runs
	pid     int    // of the system's PID 1, as the caller sees it
	ended   chan struct{}
}

// Start boots a systemd, and returns when the boot is done.
func Start(o Options) (*System, error) {
	if err := possible(); err != nil {
		return nil, err
	}
	base, err := os.MkdirTemp("", "box") // short: sockets lie below
	if err != nil {
		return nil, err
	}
	s := &System{base: base, Dir: o.Dir, console: filepath.Join(base, "console"), ended: make(chan struct{})}
	if s.Dir == "" {
		s.Dir = filepath.Join(base, "d")
	}
	if err = s.furnish(o.Units); err == nil {
		s.cgroup, err = makeCgroup()
	}
	if err == nil {
		err = s.boot()
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// possible is what can be known before anything is tried.
func possible() error {
	if os.Geteuid() != 0 {
		return Absent{"it needs root"}
	}
	for _, program := range []string{"unshare", "nsenter", "mount", "pivot_root", "systemctl", "journalctl"} {
		if _, err := exec.LookPath(program); err != nil {
			return Absent{program + " is not installed"}
		}
	}
	if _, err := os.Stat("/lib/systemd/systemd"); err != nil {
		return Absent{err.Error()}
	}
	return nil
}

func (s *System) scratch() string { return filepath.Join(s.base, "s") }
func (s *System) units() string   { return filepath.Join(s.base, "u") }

// furnish makes the directories and the units.
func (s *System) furnish(units map[string]string) error {
	for _, dir := range []string{s.Dir, s.scratch(), s.units()} {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	for name, text := range units {
		if err := os.WriteFile(filepath.Join(s.units(), name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return os.Chmod(s.base, 0o755) // services have users of their own
}

// boot starts the init and waits until it says READY=1, as the manager of a container does for
// its caller.
func (s *System) boot() error {
	address := "@relevo-box-" + filepath.Base(s.base)
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer notify.Close()
	started := make(chan error, 1)
	go s.live(address, started)
	if err := <-started; err != nil {
		close(s.ended)
		if errors.Is(err, fs.ErrPermission) {
			return Absent{"cannot make namespaces: " + err.Error()}
		}
		return err
	}
	notify.SetReadDeadline(time.Now().Add(tooLong))
	go func() {
		<-s.ended // nothing more will be said
		notify.SetReadDeadline(time.Unix(1, 0))
	}()
	for message := make([]byte, 4096); ; {
		n, err := notify.Read(message)
		if err != nil {
			said, _ := os.ReadFile(s.console)
			return fmt.Errorf("systemd did not start: %w\n%s", err, said)
		}
		if strings.Contains("\n"+string(message[:n])+"\n", "\nREADY=1\n") {
			return nil
		}
	}
}

// live runs the init to its end. The kernel kills it when the thread ends that has started it,
// so this goroutine keeps one.
func (s *System) live(address string, started chan<- error) {
	runtime.LockOSThread()
	console, err := os.Create(s.console)
	if err != nil {
		started <- err
		return
	}
	defer console.Close()
	group, err := os.Open(s.cgroup)
	if err != nil {
		started <- err
		return
	}
	defer group.Close()
	// The namespace of cgroups comes when the process is in the box's, which is to be its root.
	cmd := exec.Command("unshare", "--cgroup", "sh", "-c", bootScript, "boot.sh", s.scratch(), s.units(), s.Dir)
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
	s.pid = cmd.Process.Pid
	started <- nil
	cmd.Wait()
	close(s.ended)
}

// Close ends the system, with all of its processes, and removes what it was made of.
func (s *System) Close() error {
	if s.pid != 0 {
		// Ours and not yet waited for: no other process has the number.
		select {
		case <-s.ended:
		default:
			syscall.Kill(s.pid, syscall.SIGKILL)
			<-s.ended
		}
	}
	var errs []error
	if s.cgroup != "" {
		errs = append(errs, removeCgroups(s.cgroup))
	}
	if err := os.RemoveAll(s.base); err != nil {
		errs = append(errs, fmt.Errorf("the directory of the system is left: %w", err))
	}
	return errors.Join(errs...)
}
