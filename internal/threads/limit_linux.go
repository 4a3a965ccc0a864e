package threads

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"relevo/internal/procfs"
)

// Left returns how many more tasks (processes and threads) this process may have:
// by its cgroups and, if it is not root's, by RLIMIT_NPROC. It returns false if
// nothing limits them.
func Left() (left int, limited bool) {
	left, limited = leastRoom(cgroups(procfs.Self, "/sys/fs/cgroup"))
	if room, ok := userRoom(); ok && (!limited || room < left) {
		return room, true
	}
	return left, limited
}

// leastRoom is what the strictest of the cgroups leaves.
func leastRoom(dirs []string) (left int, limited bool) {
	for _, dir := range dirs {
		most, err := number(dir + "/pids.max")
		if err != nil {
			continue // "max", or no controller
		}
		now, err := number(dir + "/pids.current")
		if err != nil {
			continue
		}
		if room := max(most-now, 0); !limited || room < left {
			left, limited = room, true
		}
	}
	return left, limited
}

// countFrom is the RLIMIT_NPROC from which on the tasks of the user are not counted:
// a look at every process of the machine.
const countFrom = 1 << 13

// userRoom is what RLIMIT_NPROC leaves this user.
func userRoom() (left int, limited bool) {
	var limit unix.Rlimit
	if os.Getuid() == 0 || unix.Getrlimit(unix.RLIMIT_NPROC, &limit) != nil || limit.Cur > countFrom {
		return 0, false
	}
	tasks := 0
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range processes {
		var stat unix.Stat_t
		if unix.Stat(dir, &stat) == nil && int(stat.Uid) == os.Getuid() {
			threads, _ := os.ReadDir(dir + "/task")
			tasks += len(threads)
		}
	}
	return max(int(limit.Cur)-tasks, 0), true
}

// cgroups returns the directories that may limit the tasks of a process: its cgroup
// of the pids controller (v1) or of v2, and all above it.
func cgroups(process procfs.Process, mount string) (dirs []string) {
	all, _ := process.Memberships()
	for _, m := range all {
		root := ""
		switch m.Controllers {
		case "":
			root = mount
		case "pids":
			root = mount + "/pids"
		default:
			continue
		}
		for path := filepath.Clean("/" + m.Path); ; path = filepath.Dir(path) {
			dirs = append(dirs, filepath.Join(root, path))
			if path == "/" {
				break
			}
		}
	}
	return dirs
}

func number(file string) (int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}
