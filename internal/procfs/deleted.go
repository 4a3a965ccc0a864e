package procfs

import (
	"fmt"
	"os"
	"strings"
)

// WorkingDirectory returns this process's own, and whether it was deleted: then it is the former
// path. It is empty if that is not known.
func WorkingDirectory() (path string, deleted bool) { return directory("/proc/self/cwd") }

// Directory is WorkingDirectory for an open directory. It asks no file system, because one that
// does not answer would block.
func Directory(open *os.File) (path string, deleted bool) {
	raw, err := open.SyscallConn()
	if err != nil {
		return "", false
	}
	err = raw.Control(func(fd uintptr) { path, deleted = directory(fmt.Sprintf("/proc/self/fd/%d", fd)) })
	return path, deleted && err == nil
}

// deletedMark is what the kernel adds to the path of a deleted file.
const deletedMark = " (deleted)"

func directory(link string) (path string, deleted bool) {
	target, err := os.Readlink(link)
	if err != nil || !strings.HasPrefix(target, "/") {
		return "", false
	}
	path, deleted = strings.CutSuffix(target, deletedMark)
	if !deleted {
		return path, false
	}
	if _, err := os.Lstat(target); err == nil {
		return target, false // its name ends like that
	}
	return path, true
}
