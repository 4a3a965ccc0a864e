package watch

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// writersOf asks the kernel whether a process has f open or mapped for writing: then a read
// lease is refused with EAGAIN (fcntl(2), F_SETLEASE). f has to be open read-only. The lease
// is returned at once. A process that opens the file for writing in between waits for these
// microseconds, and the kernel sends this process SIGIO, which the Go runtime ignores.
func writersOf(f *os.File) writers {
	answer := unknownWriters
	raw, err := f.SyscallConn()
	if err != nil {
		return answer
	}
	raw.Control(func(fd uintptr) { answer = leaseAnswer(fd) })
	return answer
}

func leaseAnswer(fd uintptr) writers {
	_, err := unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_RDLCK)
	switch {
	case err == nil:
		unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_UNLCK)
		return noWriters
	case errors.Is(err, unix.EAGAIN):
		return someWriters
	}
	return unknownWriters
}
