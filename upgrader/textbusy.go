package upgrader

import (
	"errors"
	"strings"
	"syscall"
	"time"
)

// writersPatience is how long a program that is open for writing is waited for.
const writersPatience = 3 * time.Second

// onceWritten starts a program, again and again while the kernel refuses it because the file
// is open for writing. A process that wrote the file may have forked meanwhile, and its
// child has the file open until its own exec (golang.org/issue/22315).
func onceWritten(start func() error) (err error) {
	for deadline := time.Now().Add(writersPatience); ; time.Sleep(5 * time.Millisecond) {
		if err = start(); !openForWriting(err) || time.Now().After(deadline) {
			return err
		}
	}
}

// openForWriting knows the error of tableflip by its text: it has no type there.
func openForWriting(err error) bool {
	return err != nil && (errors.Is(err, syscall.ETXTBSY) || strings.HasSuffix(err.Error(), syscall.ETXTBSY.Error()))
}
