package procfs

import (
	"fmt"
	"os"
	"strings"
)

// WorkingDirectory is this process's own, and says whether it was deleted: then it is
// the former path, and the process is in what is left. Empty where nothing tells.
func WorkingDirectory() (path string, deleted bool) { return directory("/proc/self/cwd") }

// Directory is WorkingDirectory for one that is open. No file system is asked: one that
// does not answer holds nobody up.
func Directory(open *os.File) (path string, deleted bool) {
	raw, err := open.SyscallConn()
	if err != nil {
		return "", false
	}
	err = raw.Control(func(fd uintptr) { path, deleted = directory(fmt.Sprintf("/proc/self/fd/%d", fd)) })
	return path, deleted && err == nil
}

// deletedMark is what the kernel puts behind the path of a file that has none any more.
const deletedMark = " (deleted)"

func directory(link string) (path string, deleted bool) {
	target, err := os.Readlink(link)
	if err != nil || !strings.HasPrefix(target, "/") {
		return "", false
	}
	path, deleted = strings.CutSuffix(target, deletedMark)
	if _, err := os.Lstat(target); deleted && err == nil {
		return target, false // it is called so
	}
	return path, deleted
}
