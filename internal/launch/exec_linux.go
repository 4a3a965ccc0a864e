package launch

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"relevo/internal/launch/shim"
)

// execsByDescriptor says whether a program can be run by its open file under its
// own name. Before Linux 6.14 /proc/PID/comm would be the descriptor's number.
func execsByDescriptor() bool {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return false
	}
	var major, minor int
	fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor)
	return major > 6 || major == 6 && minor >= 14
}

// calls are system calls that the shim makes by their numbers.
func calls() shim.Calls {
	return shim.Calls{CloseRange: unix.SYS_CLOSE_RANGE, Execveat: unix.SYS_EXECVEAT}
}

// openDir opens a directory to enter it later. O_PATH needs no permission to read it.
func openDir(path string) (*os.File, error) {
	return os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY, 0)
}

// runs says whether /proc shows that a process runs the program in this file.
func runs(pid int, file *os.File) bool {
	running, err := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return false
	}
	wanted, err := file.Stat()
	return err == nil && os.SameFile(running, wanted)
}

// hasArguments says whether /proc shows that a process has these arguments.
func hasArguments(pid int, args []string) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && string(line) == strings.Join(args, "\x00")+"\x00"
}
