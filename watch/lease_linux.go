package watch

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// writersOf asks the kernel whether anyone has f, opened read-only, open for
// writing or mapped so: a read lease is refused then with EAGAIN (fcntl(2),
// F_SETLEASE). The lease is given back at once. Whoever opens the file for
// writing in between waits those microseconds, and the kernel sends SIGIO,
// which the Go runtime ignores.
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
