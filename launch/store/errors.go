package store

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// FullError: there is no room for a copy (ENOSPC, EDQUOT).
type FullError struct {
	Dir   string // the store's
	Free  int64  // bytes left there, -1 where that is unknown
	Quota bool   // it is the user's quota that is used up
	Err   error
}

func (e *FullError) Error() string {
	switch {
	case e.Quota:
		return "the disk quota of " + e.Dir + " is used up"
	case e.Free < 0:
		return "the disk of " + e.Dir + " is full"
	}
	return fmt.Sprintf("the disk of %s is full (%s free)", e.Dir, Bytes(e.Free))
}

func (e *FullError) Unwrap() error { return e.Err }

// WriteError: the store cannot be written to for another reason: it is read-only
// or somebody else's, a file is in its place, or programs may not be run there.
type WriteError struct {
	Dir string // the store's
	Err error
}

func (e *WriteError) Error() string { return fmt.Sprintf("cannot write to %s: %v", e.Dir, e.Err) }
func (e *WriteError) Unwrap() error { return e.Err }

// writeError sorts what went wrong while the store was written to.
func writeError(dir string, err error) error {
	quota := errors.Is(err, unix.EDQUOT)
	if !quota && !errors.Is(err, unix.ENOSPC) {
		return &WriteError{Dir: dir, Err: err}
	}
	full := &FullError{Dir: dir, Free: -1, Quota: quota, Err: err}
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) == nil {
		full.Free = int64(fs.Bavail) * int64(fs.Bsize)
	}
	return full
}

// Bytes renders a size: "8.1 MiB".
func Bytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), 0
	for ; value >= 1024 && unit < 4; unit++ {
		value /= 1024
	}
	return fmt.Sprintf("%.1f %ciB", value, " KMGT"[unit])
}
