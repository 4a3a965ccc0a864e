package safefile

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"relevo/internal/procfs"
)

// holder finds the process that locks a file in /proc/locks (proc_locks(5)).
func holder(file *os.File) string {
	var stat unix.Stat_t
	if unix.Fstat(int(file.Fd()), &stat) != nil {
		return ""
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return ""
	}
	inode := fmt.Sprintf("%02x:%02x:%d", unix.Major(uint64(stat.Dev)), unix.Minor(uint64(stat.Dev)), stat.Ino)
	for line := range strings.Lines(string(locks)) {
		// "1: FLOCK  ADVISORY  WRITE 4711 00:2a:1234 0 EOF"
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[1] != "FLOCK" || fields[5] != inode {
			continue
		}
		pid, _ := strconv.Atoi(fields[4])
		name := procfs.Of(pid).Name()
		if name == "" {
			return "pid " + fields[4]
		}
		return fmt.Sprintf("pid %s (%q)", fields[4], name)
	}
	return ""
}
