package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"relevo/internal/capture"
)

// verb is the first argument that makes the relevo binary a shim.
const verb = "__launch"

// aboutToExec is the shim's last message before the exec. End-of-file after it means
// that the worker's own program runs. End-of-file without it means that the shim died. A
// shimError after it means that the exec failed.
//
// aboutToExecPath, instead of it or after it, says that the program is run by its path and
// not by an open file.
var (
	aboutToExec     = []byte{'x'}
	aboutToExecPath = []byte{'p'}
)

// shimSpec tells the shim what to exec. It travels over the shim's
// socketpair, which the exec closes.
type shimSpec struct {
	Path      string // the file to exec
	FD        int    // descriptor of the same file; 0: it is run by its path
	Args      []string
	Env       []string // without LISTEN_PID
	Dir       string   // for messages
	DirFD     int      // of the working directory
	ListenPID bool     // set LISTEN_PID
	Watchdog  bool     // set WATCHDOG_PID
	Capture   bool     // have the program's binds captured
	Limits    shimLimits
	Keep      int // descriptors from here on are closed by the exec
}

type shimError struct {
	Step  string // what failed: "enter the directory", "run"
	Path  string
	Errno syscall.Errno
	// Advice is what a person can do about it, empty if Errno says enough.
	Advice string
}

func (e *shimError) Error() string {
	text := fmt.Sprintf("cannot %s %s: %v", e.Step, e.Path, e.Errno)
	if e.Advice != "" {
		text += "; " + e.Advice
	}
	return text
}

// Main is the shim. It returns false at once if the arguments are not those of a
// shim. It returns true, with an exit code, only if it could not exec.
func Main(args []string) (code int, launching bool) {
	if len(args) != 3 || args[1] != verb {
		return 0, false
	}
	fd, err := strconv.Atoi(args[2])
	if err != nil {
		return 0, false
	}
	channel := os.NewFile(uintptr(fd), "shim")
	failure := &shimError{Step: "read the order of", Path: "the master", Errno: syscall.EPROTO}
	var spec shimSpec
	if order, err := io.ReadAll(channel); err == nil && json.Unmarshal(order, &spec) == nil {
		failure = spec.launch(channel)
	}
	json.NewEncoder(channel).Encode(failure)
	return 127, true
}

// launch returns only if it fails. The filter is installed before the limits and the user
// are taken, because a privileged process need not set no_new_privs for it.
func (s shimSpec) launch(channel *os.File) *shimError {
	runtime.LockOSThread() // the filter belongs to a thread
	if s.Capture {
		if err := capture.Announce(channel); err != nil {
			return &shimError{Step: "tell", Path: "the master", Errno: errno(err)} // it is gone
		}
	}
	return s.exec(channel)
}

// environ adds the variables that name the process itself.
func (s shimSpec) environ() []string {
	env := s.Env
	if s.ListenPID {
		env = append(env, "LISTEN_PID="+strconv.Itoa(os.Getpid()))
	}
	if s.Watchdog {
		env = append(env, "WATCHDOG_PID="+strconv.Itoa(os.Getpid()))
	}
	return env
}

// exec returns only if it fails.
func (s shimSpec) exec(channel io.Writer) *shimError {
	if failure := s.Limits.apply(); failure != nil {
		return failure
	}
	if err := syscall.Fchdir(s.DirFD); err != nil {
		return &shimError{Step: "enter the directory", Path: s.Dir, Errno: errno(err)}
	}
	env := s.environ()
	closeOnExecFrom(s.Keep)
	unblockSignals()
	if s.FD > 0 {
		if failure := s.run(channel, aboutToExec, func() error {
			return execDescriptor(s.FD, s.Args, env)
		}); !s.onlyByPath(failure) {
			return failure
		}
	}
	return s.run(channel, aboutToExecPath, func() error { return syscall.Exec(s.Path, s.Args, env) })
}

// onlyByPath says whether a failed exec of an open file may succeed by its path: if the call
// is unknown or filtered, or if a handler of binfmt_misc needs a path.
func (s shimSpec) onlyByPath(failure *shimError) bool {
	switch failure.Errno {
	case syscall.ENOENT, syscall.ENOSYS, syscall.EACCES, syscall.EPERM:
		return failure.Step == "run"
	}
	return false
}

// run announces an exec and does it. On ETXTBSY it tries again for a moment: a process that
// writes the file may have forked, and its child has the file open for writing until its own
// exec (golang.org/issue/22315).
func (s shimSpec) run(channel io.Writer, announce []byte, exec func() error) *shimError {
	if _, err := channel.Write(announce); err != nil {
		return &shimError{Step: "tell", Path: "the master", Errno: errno(err)} // it is gone
	}
	const patience, pause = 3 * time.Second, 5 * time.Millisecond
	for deadline := time.Now().Add(patience); ; time.Sleep(pause) {
		err := exec()
		if !errors.Is(err, syscall.ETXTBSY) || time.Now().After(deadline) {
			return &shimError{Step: "run", Path: s.Path, Errno: errno(err)}
		}
	}
}

func errno(err error) syscall.Errno {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number
	}
	return syscall.EIO
}
