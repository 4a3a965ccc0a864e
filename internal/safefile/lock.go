package safefile

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// HeldError is returned where another process holds a lock.
type HeldError struct {
	Path   string
	Holder string // "pid 12 (sleep)", empty where that is not known
}

func (e *HeldError) Error() string {
	holder := e.Holder
	if holder == "" {
		holder = "another process"
	}
	return fmt.Sprintf("%s holds a lock (flock) on %s", holder, e.Path)
}

// Lock takes a lock on a file (flock(2)). Every process that can open a file can lock it, so
// the wait is never longer than patience; then the error is a *HeldError.
func Lock(file *os.File, how int, patience time.Duration) error {
	const often = 5 * time.Millisecond
	for end := time.Now().Add(patience); ; time.Sleep(often) {
		err := unix.Flock(int(file.Fd()), how|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
		case !errors.Is(err, unix.EWOULDBLOCK):
			return err
		case !time.Now().Before(end):
			return &HeldError{Path: file.Name(), Holder: holder(file)}
		}
	}
}
