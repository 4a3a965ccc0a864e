// Package diskspace says what is used up where the kernel says that no space is
// left: bytes, inodes, or a quota. For each of them another thing has to be done.
package diskspace

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// FullError: there is no room for a file (ENOSPC, EDQUOT).
type FullError struct {
	Dir    string
	Free   int64 // bytes left there, -1 where that is unknown
	Inodes int64 // inodes left there, -1 where the file system does not count them
	Quota  bool  // it is the user's quota that is used up
	Err    error
}

// fewInodes is what a program may need for a single thing that it keeps: a
// directory, a file, its successor, each of which may be gone again by now.
const fewInodes = 4

// OutOfInodes says whether it is inodes that are used up, and not bytes.
func (e *FullError) OutOfInodes() bool {
	return !e.Quota && e.Inodes >= 0 && e.Inodes < fewInodes
}

func (e *FullError) Error() string {
	switch {
	case e.Quota:
		return "the disk quota of " + e.Dir + " is used up (of bytes or of files: quota -s)"
	case e.OutOfInodes():
		return fmt.Sprintf("the disk of %s has no inodes left (%d free, while %s are): there are too many files, see df -i",
			e.Dir, e.Inodes, Bytes(e.Free))
	case e.Free < 0:
		return "the disk of " + e.Dir + " is full"
	}
	return fmt.Sprintf("the disk of %s is full (%s free)", e.Dir, Bytes(e.Free))
}

func (e *FullError) Unwrap() error { return e.Err }

// Explain makes a *FullError of an error that says that there is no room in a
// directory, and returns every other error as it is.
func Explain(dir string, err error) error {
	quota := errors.Is(err, unix.EDQUOT)
	if !quota && !errors.Is(err, unix.ENOSPC) {
		return err
	}
	full := &FullError{Dir: dir, Free: -1, Inodes: -1, Quota: quota, Err: err}
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) == nil {
		full.Free = int64(fs.Bavail) * int64(fs.Bsize)
		if fs.Files > 0 { // Btrfs counts none
			full.Inodes = int64(fs.Ffree)
		}
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

// Detail adds to an error that says that there is no room in a directory what it is
// that is used up there. Every other error stays as it is.
func Detail(dir string, err error) error {
	if full := new(FullError); errors.As(Explain(dir, err), &full) {
		return fmt.Errorf("%w (%s)", err, full)
	}
	return err
}
