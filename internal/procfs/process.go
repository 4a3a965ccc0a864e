// Package procfs reads what /proc says about processes: their families, states, cgroups and mounts.
// It is the only reader of these files. Without a /proc it finds nothing.
package procfs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Process is the directory of a process or of a thread in /proc. A test may give one
// of its own making.
type Process string

// Self is this process.
const Self Process = "/proc/self"

// Of is the process, or thread, with this number.
func Of(pid int) Process { return Process("/proc/" + strconv.Itoa(pid)) }

// All returns the numbers of all visible processes.
func All() (pids []int) {
	directory, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer directory.Close()
	names, _ := directory.Readdirnames(-1)
	pids = make([]int, 0, len(names))
	for _, name := range names {
		if name[0] > '9' {
			continue // not a process
		}
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// Threads returns the threads of a process that has not ended.
func (p Process) Threads() (threads []Process) {
	directories, _ := filepath.Glob(string(p) + "/task/*")
	for _, directory := range directories {
		threads = append(threads, Process(directory))
	}
	return threads
}

func (p Process) read(file string) (string, error) {
	text, err := Read(string(p) + "/" + file)
	return string(text), err
}

// Read is os.ReadFile without the runtime's poller, which would be asked five times about each of
// these files: they are small, and many are read while a process waits.
func Read(path string) (text []byte, err error) {
	fail := func(op string, err error) ([]byte, error) { return nil, &fs.PathError{Op: op, Path: path, Err: err} }
	fd, err := retried(func() (int, error) { return syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0) })
	if err != nil {
		return fail("open", err)
	}
	defer syscall.Close(fd)
	var buffer [4096]byte
	for {
		n, err := retried(func() (int, error) { return syscall.Read(fd, buffer[:]) })
		if err != nil {
			return fail("read", err)
		}
		if n == 0 {
			return text, nil
		}
		text = append(text, buffer[:n]...)
	}
}

// readOnce is Read for a file that the kernel gives whole to the first read: a line of less than
// 4 KiB.
func readOnce(path string) (string, error) {
	var buffer [4096]byte
	n, err := readInto(path, buffer[:])
	return string(buffer[:n]), err
}

// readInto reads as much of a file as the kernel gives to the first read.
func readInto(path string, buffer []byte) (n int, err error) {
	fd, err := retried(func() (int, error) { return syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0) })
	if err != nil {
		return 0, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer syscall.Close(fd)
	n, err = retried(func() (int, error) { return syscall.Read(fd, buffer) })
	if err != nil {
		return 0, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return n, nil
}

// retried repeats a system call that a signal has interrupted.
func retried(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); err != syscall.EINTR {
			return n, err
		}
	}
}

// Name is the name of a process, empty if it has ended (proc_pid_comm(5)).
func (p Process) Name() string {
	name, _ := p.read("comm")
	return strings.TrimSpace(name)
}

// Program is the path of the program that a process runs; it ends with " (deleted)" if the file is gone.
func (p Process) Program() (string, error) { return os.Readlink(string(p) + "/exe") }

// Environ is the environment that a process was started with; empty if it cannot be read.
func (p Process) Environ() []string {
	text, _ := p.read("environ")
	return strings.FieldsFunc(text, func(r rune) bool { return r == 0 })
}

// Status is a field of proc_pid_status(5).
func (p Process) Status(field string) (string, error) {
	text, err := p.read("status")
	if err != nil {
		return "", err
	}
	if value, found := StatusField(text, field); found {
		return value, nil
	}
	return "", fmt.Errorf("cannot find %s in %s/status", field, p)
}

// StatusField is a field in the text of proc_pid_status(5).
func StatusField(text, field string) (value string, found bool) {
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, field+":"); found {
			return strings.TrimSpace(value), true
		}
	}
	return "", false
}

// fileLimit reads how many descriptors a process may have open (proc_pid_limits(5)).
func (p Process) fileLimit() (int, error) {
	text, err := p.read("limits")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(text, "Max open files")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, fmt.Errorf("cannot find the limit of open files in %s/limits", p)
	}
	return strconv.Atoi(fields[0])
}

// OpenFiles is how many descriptors a process has open. Since Linux 6.2 that is the size of their
// directory.
func (p Process) OpenFiles() (int, error) {
	if info, err := os.Stat(string(p) + "/fd"); err == nil && info.Size() > 0 {
		return int(info.Size()), nil
	}
	directory, err := os.Open(string(p) + "/fd")
	if err != nil {
		return 0, err
	}
	defer directory.Close()
	names, err := directory.Readdirnames(-1)
	return len(names), err
}
