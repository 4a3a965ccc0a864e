package launch

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
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

// execDescriptor runs the program in an open file: execveat(2) with
// AT_EMPTY_PATH. It returns only if that fails.
func execDescriptor(fd int, args, env []string) error {
	argv, err := syscall.SlicePtrFromStrings(args)
	if err != nil {
		return err
	}
	envp, err := syscall.SlicePtrFromStrings(env)
	if err != nil {
		return err
	}
	// At its start the Go runtime raises the soft limit of open files, and syscall.Exec
	// restores it for the new program. This call fails, but only after it has done that.
	syscall.Exec("", nil, nil)
	empty := [1]byte{}
	// A raw call keeps the runtime's only processor (GOMAXPROCS=1), so that the runtime
	// cannot start a thread at the moment in which the kernel ends all of them.
	_, _, failed := unix.RawSyscall6(unix.SYS_EXECVEAT, uintptr(fd), uintptr(unsafe.Pointer(&empty[0])),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envp[0])), unix.AT_EMPTY_PATH, 0)
	return failed
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
