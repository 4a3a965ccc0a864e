package launch

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"relevo/ipc"
)

// KillStrays ends the workers of this app which a dead master had started in this
// process's cgroup and told nobody of. Those that are registered are left alone. It
// returns the pids of those that it found.
func (l *Launcher) KillStrays(app string) (found []int) {
	cgroup := cgroupPath("self")
	if cgroup == "" || cgroup == "/" {
		return nil // it is not the app's own, so others may live there
	}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || !l.isStray(pid, app, cgroup) {
			continue
		}
		pidfd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue
		}
		if l.isStray(pid, app, cgroup) { // still: now its number cannot pass to another
			unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
			found = append(found, pid)
		}
		unix.Close(pidfd)
	}
	return found
}

// isStray looks at what the launcher has given the process. A worker's children
// have the same environment, so the process has to lead its group, as every worker
// does.
func (l *Launcher) isStray(pid int, app, cgroup string) bool {
	if pid == os.Getpid() || l.registered(pid) || processGroup(pid) != pid {
		return false
	}
	if at := cgroupPath(strconv.Itoa(pid)); at != cgroup && !strings.HasPrefix(at, cgroup+"/") {
		return false
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false
	}
	environ := strings.Split(string(text), "\x00")
	return slices.Contains(environ, ipc.EnvName+"="+app) &&
		slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, ipc.EnvWorker+"=") })
}

func (l *Launcher) registered(pid int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byPID[pid] != nil
}

// cgroupPath is the line 0:: of proc_pid_cgroup(5), empty where there is none.
func cgroupPath(pid string) string {
	text, _ := os.ReadFile("/proc/" + pid + "/cgroup")
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSuffix(path, "\n")
		}
	}
	return ""
}
