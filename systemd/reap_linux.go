package systemd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/procfs"
)

// ReapOptions are the settings of Reap. The zero value works, also outside a unit, where there is
// nothing to reap.
type ReapOptions struct {
	Getenv   func(string) string // of the service's environment
	Patience time.Duration       // from SIGTERM to SIGKILL; default: none
	Prevents []string            // the unit's RestartPreventExitStatus
	// Guard is a command that calls Guard. It is started if systemd is about to restart the
	// service: a stop in the moment before that would run no further ExecStopPost=.
	Guard []string
}

// Reap is the work of ExecStopPost= with KillMode=process. If the service ends for good,
// Reap ends all other processes in the unit's cgroup. ended says how many; it is 0 if
// they are left for the next main process.
func Reap(o ReapOptions) (ended int, err error) {
	name, user := ownUnit()
	if name == "" {
		return 0, errors.New("cannot reap: this process belongs to no service of systemd; it is for ExecStopPost= of a unit")
	}
	e := Ending{Result: o.Getenv("SERVICE_RESULT"), Code: o.Getenv("EXIT_CODE"), Status: o.Getenv("EXIT_STATUS")}
	jobs, err := ask(user, "list-jobs", "--no-legend", "--plain")
	if err != nil {
		return 0, err
	}
	e.Job = jobOf(name, jobs)
	if !e.Final(o.Prevents...) {
		return 0, startGuard(o.Guard)
	}
	return endUnit(name, o.Patience, everybody)
}

func everybody(int, string) bool { return true }

// EndOthers ends other processes in the cgroup of the service whose main process this one
// is; which chooses them by pid and path of the cgroup. It is for workers of a dead
// master that its successor does not adopt. It does nothing if systemd has not started
// this process as a service.
func EndOthers(getenv func(string) string, patience time.Duration,
	which func(pid int, cgroup string) bool) (ended int, err error) {
	name, _ := ownUnit()
	if name == "" || getenv("SYSTEMD_EXEC_PID") != strconv.Itoa(os.Getpid()) {
		return 0, nil
	}
	return endUnit(name, patience, which)
}

func startGuard(command []string) error {
	if len(command) == 0 {
		return nil
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot watch over the restart: %w", err)
	}
	return cmd.Process.Release()
}

// guardFor is how long a guard watches; RestartSec= is much shorter.
const guardFor = 15 * time.Second

// guardLook is the interval at which a guard looks at the unit.
const guardLook = 100 * time.Millisecond

// Guard waits until the unit has a main process again. If the unit is stopped before
// that, Guard ends the remaining processes.
func Guard(patience time.Duration) (ended int, err error) {
	name, user := ownUnit()
	if name == "" {
		return 0, errors.New("cannot guard: this process belongs to no service of systemd")
	}
	for deadline := time.Now().Add(guardFor); time.Now().Before(deadline); time.Sleep(guardLook) {
		out, err := ask(user, "show", "-p", "ActiveState", "-p", "MainPID", name)
		switch lines := "\n" + out + "\n"; {
		case err != nil:
			return 0, err
		case strings.Contains(lines, "\nActiveState=inactive\n"), strings.Contains(lines, "\nActiveState=failed\n"):
			return endUnit(name, patience, everybody)
		case !strings.Contains(lines, "\nMainPID=0\n"):
			return 0, nil // the next main process runs and deals with the remaining processes
		}
	}
	return 0, nil
}

// endUnit ends processes of this process's own unit.
func endUnit(name string, patience time.Duration, which func(pid int, cgroup string) bool) (ended int, err error) {
	group, err := unitCgroup(name)
	if err != nil {
		return 0, err
	}
	ended, left := endFound(patience, func() map[int]int { return group.members(which) })
	if left {
		err = fmt.Errorf("cannot end all processes of %s: some are still there %v after SIGKILL", name, killPatience)
	}
	return ended, err
}

// EndAll ends the processes of this machine that which chooses, wherever they are.
func EndAll(patience time.Duration, which func(pid int) bool) (ended int, err error) {
	ended, left := endFound(patience, func() map[int]int { return chosen(which) })
	if left {
		err = fmt.Errorf("cannot end all processes: some are still there %v after SIGKILL", killPatience)
	}
	return ended, err
}

// chosen opens processes as pidfds by pid.
func chosen(which func(pid int) bool) map[int]int {
	all := map[int]int{}
	for _, pid := range procfs.All() {
		if pid == os.Getpid() || !which(pid) {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // gone
		}
		if !which(pid) { // The PID may have been reused before it was open.
			unix.Close(fd)
			continue
		}
		all[pid] = fd
	}
	return all
}

// endFound sends SIGTERM, and SIGKILL when patience has run out.
func endFound(patience time.Duration, members func() map[int]int) (ended int, left bool) {
	seen := map[int]bool{}
	for _, step := range []struct {
		signal unix.Signal
		wait   time.Duration
	}{{unix.SIGTERM, patience}, {unix.SIGKILL, killPatience}} {
		if signalAll(step.signal, time.Now().Add(step.wait), members, seen) {
			return len(seen), false
		}
	}
	return len(seen), true
}

// killPatience bounds the wait for processes that got SIGKILL.
const killPatience = 5 * time.Second

// cgroup is a path in a mount of cgroup v2.
type cgroup struct{ mount, path string }

// signalAll sends a signal to all processes, those forked meanwhile included, and says
// whether they ended before the deadline.
func signalAll(sig unix.Signal, deadline time.Time, members func() map[int]int, seen map[int]bool) (gone bool) {
	told := map[int]bool{}
	for {
		all := members()
		if len(all) == 0 {
			return true
		}
		var fds []unix.PollFd
		for pid, fd := range all {
			if !told[pid] {
				unix.PidfdSendSignal(fd, sig, nil, 0)
			}
			seen[pid], told[pid] = true, true
			fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		}
		left := time.Until(deadline)
		if left > 0 {
			unix.Poll(fds, int(min(left, time.Second).Milliseconds())+1) // until one of them has ended
		}
		for _, fd := range all {
			unix.Close(fd)
		}
		if left <= 0 {
			return false
		}
	}
}

// members opens the chosen processes of a cgroup and of those below it, except this process, as
// pidfds by pid. A pidfd, unlike a pid, always means the same process.
func (c cgroup) members(which func(pid int, cgroup string) bool) map[int]int {
	all := map[int]int{}
	filepath.WalkDir(filepath.Join(c.mount, c.path), func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		text, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		for field := range strings.FieldsSeq(string(text)) {
			pid, err := strconv.Atoi(field)
			if err != nil || pid <= 0 || pid == os.Getpid() {
				continue // 0 stands for a process of another pid namespace
			}
			fd, err := unix.PidfdOpen(pid, 0)
			if err != nil {
				continue // gone
			}
			// Holding the pidfd, look again: the PID may have been reused.
			if path := strings.TrimPrefix(dir, c.mount); procfs.Of(pid).Cgroup("") != path || !which(pid, path) {
				unix.Close(fd)
				continue
			}
			all[pid] = fd
		}
		return nil
	})
	return all
}

// unitCgroup is the cgroup of this process's unit. Processes that systemd starts beside the main
// process are in a cgroup below it (.control).
func unitCgroup(name string) (cgroup, error) {
	path := procfs.Self.Cgroup("")
	for len(path) > 1 && strings.TrimPrefix(filepath.Base(path), "_") != name {
		path = filepath.Dir(path)
	}
	mounts, err := procfs.Self.Mounts()
	if err != nil {
		return cgroup{}, fmt.Errorf("cannot find the cgroup of %s: %w", name, err)
	}
	for _, m := range mounts {
		if len(path) > 1 && m.Root == "/" && m.Kind == "cgroup2" {
			return cgroup{m.Point, path}, nil
		}
	}
	return cgroup{}, fmt.Errorf("cannot find the cgroup of %s: no cgroup v2 is mounted", name)
}
