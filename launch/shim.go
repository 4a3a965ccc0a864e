package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"
)

// verb is the first argument that makes the relevo binary a launcher.
const verb = "__launch"

// aboutToExec is the launcher's last word before the exec. End-of-file after it
// means that the worker's own program runs; end-of-file without it, that the
// launcher died; a shimError may follow it.
var aboutToExec = []byte{'x'}

// shimSpec tells the launcher what to exec. It travels over the launcher's
// socketpair, which the exec closes.
type shimSpec struct {
	Path      string // the file to exec
	Args      []string
	Env       []string // without LISTEN_PID
	Dir       string   // for messages
	DirFD     int      // of the working directory
	ListenPID bool     // set LISTEN_PID
	Keep      int      // descriptors from here on are closed by the exec
}

type shimError struct {
	Step  string // what failed: "enter the directory", "run"
	Path  string
	Errno syscall.Errno
}

func (e *shimError) Error() string {
	return fmt.Sprintf("cannot %s %s: %v", e.Step, e.Path, e.Errno)
}

// Main is the launcher. It says false at once where the program was started for
// anything else. It returns true, with the code to exit with, only if it could
// not exec.
func Main(args []string) (code int, launching bool) {
	if len(args) != 3 || args[1] != verb {
		return 0, false
	}
	fd, err := strconv.Atoi(args[2])
	if err != nil {
		return 0, false
	}
	channel := os.NewFile(uintptr(fd), "launcher")
	failure := &shimError{Step: "read the order of", Path: "the master", Errno: syscall.EPROTO}
	var spec shimSpec
	if order, err := io.ReadAll(channel); err == nil && json.Unmarshal(order, &spec) == nil {
		failure = spec.exec(channel)
	}
	json.NewEncoder(channel).Encode(failure)
	return 127, true
}

// exec returns only if it fails.
func (s shimSpec) exec(channel io.Writer) *shimError {
	if err := syscall.Fchdir(s.DirFD); err != nil {
		return &shimError{"enter the directory", s.Dir, errno(err)}
	}
	env := s.Env
	if s.ListenPID {
		env = append(env, "LISTEN_PID="+strconv.Itoa(os.Getpid()))
	}
	closeOnExecFrom(s.Keep)
	if _, err := channel.Write(aboutToExec); err != nil {
		return &shimError{"tell", "the master", errno(err)} // it is gone
	}
	return &shimError{"run", s.Path, errno(execRetrying(s.Path, s.Args, env))}
}

// execRetrying waits out ETXTBSY for a moment: while a file is being copied into
// place, a fork elsewhere may hold its descriptor open for writing until its own
// exec (golang.org/issue/22315).
func execRetrying(path string, args, env []string) error {
	const patience, pause = time.Second, 5 * time.Millisecond
	for deadline := time.Now().Add(patience); ; time.Sleep(pause) {
		err := syscall.Exec(path, args, env)
		if !errors.Is(err, syscall.ETXTBSY) || time.Now().After(deadline) {
			return err
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
