package shim

import (
	"strconv"
	"syscall"
)

func init() {
	if channel, is := channelOf(syscall.Getenv(Variable)); is {
		channel.run()
	}
}

// channelOf says whether Variable makes this process a shim.
func channelOf(value string, set bool) (channel shim, is bool) {
	fd, err := strconv.Atoi(value)
	return shim(fd), set && err == nil && fd > syscall.Stderr
}

// shim is the descriptor of its channel to the master.
type shim int

// run never returns: the process becomes the worker, or ends with 127, as a shell does for a
// command that it cannot run.
func (s shim) run() {
	failure := &Failure{Step: "read the order of", Path: "the master", Errno: syscall.EPROTO}
	read := coder{reading: true, rest: s.read()}
	var order Order
	if order.fields(&read); !read.failed {
		failure = s.launch(order)
	}
	_ = s.write(failure.bytes())
	syscall.Exit(127)
}

// read reads the channel to its end.
func (s shim) read() (all []byte) {
	buffer := make([]byte, 16<<10)
	for {
		n, err := syscall.Read(int(s), buffer)
		if err != syscall.EINTR && n <= 0 {
			return all
		}
		all = append(all, buffer[:max(n, 0)]...)
	}
}

func (s shim) write(word []byte) error {
	for len(word) > 0 {
		n, err := syscall.Write(int(s), word)
		if err != nil && err != syscall.EINTR {
			return err
		}
		word = word[max(n, 0):]
	}
	return nil
}

// launch returns only if it fails. The filter is installed before the limits and the user
// are taken, because a privileged process need not set no_new_privs for it.
func (s shim) launch(o Order) *Failure {
	if o.Capture {
		if err := announceFilter(int(s)); err != nil {
			return untold(err)
		}
	}
	if failure := o.Limits.apply(); failure != nil {
		return failure
	}
	if err := syscall.Fchdir(o.DirFD); err != nil {
		return &Failure{Step: "enter the directory", Path: o.Dir, Errno: errno(err)}
	}
	env := o.environ()
	o.Calls.closeOnExecFrom(o.Keep)
	unblockSignals()
	if o.FD > 0 {
		failure := s.exec(o.Path, byDescriptor, func() error { return o.Calls.execDescriptor(o.FD, o.Args, env) })
		if !onlyByPath(failure) {
			return failure
		}
	}
	return s.exec(o.Path, byPath, func() error { return syscall.Exec(o.Path, o.Args, env) })
}

// environ adds the variables that name the process itself.
func (o *Order) environ() []string {
	env := o.Env
	if o.ListenPID {
		env = append(env, "LISTEN_PID="+strconv.Itoa(syscall.Getpid()))
	}
	if o.Watchdog {
		env = append(env, "WATCHDOG_PID="+strconv.Itoa(syscall.Getpid()))
	}
	return env
}

// onlyByPath says whether a failed exec of an open file may succeed by its path: if the call
// is unknown or filtered, or if a handler of binfmt_misc needs a path.
func onlyByPath(failure *Failure) bool {
	switch failure.Errno {
	case syscall.ENOENT, syscall.ENOSYS, syscall.EACCES, syscall.EPERM:
		return failure.OfProgram()
	}
	return false
}

// exec announces an exec and does it. On ETXTBSY it tries again for three seconds: a process that
// writes the file may have forked, and its child has the file open for writing until its own
// exec (golang.org/issue/22315).
func (s shim) exec(path string, announce byte, exec func() error) *Failure {
	if err := s.write([]byte{announce}); err != nil {
		return untold(err)
	}
	const tries, pause = 600, 5_000_000 // nanoseconds
	for try := 1; ; try++ {
		err := exec()
		if err != syscall.ETXTBSY || try == tries {
			return &Failure{Step: ran, Path: path, Errno: errno(err)}
		}
		sleep(pause)
	}
}

// untold is the failure of a shim whose master is gone.
func untold(err error) *Failure {
	return &Failure{Step: "tell", Path: "the master", Errno: errno(err)}
}

func errno(err error) syscall.Errno {
	if number, is := err.(syscall.Errno); is {
		return number
	}
	return syscall.EIO
}

// closeOnExecBelow1024 is for systems without close_range(2): it stops at a number that programs
// seldom exceed.
func closeOnExecBelow1024(fd int) {
	for ; fd < 1024; fd++ {
		syscall.CloseOnExec(fd)
	}
}
