// Package safefile opens files and makes directories in places where another user
// may have put something first: a named pipe that is never written to, a device
// without end, a link to somewhere else, a lock that is never let go of. Nothing
// here waits or reads without a bound, follows a link that it was not told to
// follow, or depends on the umask.
package safefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Open opens a regular file for reading. It follows links: the file is one that
// the user named.
func Open(path string) (*os.File, error) { return open(path, 0) }

// OpenNoFollow is Open for a file that relevo itself has put there: a link in its
// place is refused.
func OpenNoFollow(path string) (*os.File, error) { return open(path, unix.O_NOFOLLOW) }

// open looks before it opens, because opening a device can do something, and again
// afterwards, because the file may have been replaced in between. O_NONBLOCK keeps
// a named pipe, or a lease on the file (fcntl(2)), from making it wait.
func open(path string, flags int) (*os.File, error) {
	look := os.Stat
	if flags&unix.O_NOFOLLOW != 0 {
		look = os.Lstat
	}
	info, err := look(path)
	if err != nil {
		return nil, err
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|flags, 0)
	if err != nil {
		return nil, err
	}
	if info, err = file.Stat(); err == nil {
		err = regular(path, info)
	}
	if err == nil {
		err = unix.SetNonblock(int(file.Fd()), false) // a file that is executed or passed on has to block, as others do
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// ErrNotRegular is the error for a path that is not a regular file.
var ErrNotRegular = errors.New("not a regular file")

func regular(path string, info fs.FileInfo) error {
	what := ""
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		what = "a directory"
	case mode&fs.ModeNamedPipe != 0:
		what = "a pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	case mode&fs.ModeDevice != 0:
		what = "a device"
	case mode&fs.ModeSymlink != 0:
		what = "a symbolic link"
	default:
		what = "of an unknown kind"
	}
	return &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("it is %s, %w", what, ErrNotRegular)}
}

// Read returns the content of a regular file of at most limit bytes. It follows
// links.
func Read(path string, limit int64) ([]byte, error) {
	file, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readAll(file, limit)
}

// ReadOwn returns the content of a file that relevo has written: a regular file of
// at most limit bytes, in whose place there is no link, and that this user or root
// alone can write to.
func ReadOwn(path string, limit int64) ([]byte, error) {
	file, err := OpenNoFollow(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var stat unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &stat); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if err := trusting(os.Geteuid()).entry(path, &stat); err != nil {
		return nil, err
	}
	return readAll(file, limit)
}

func readAll(file *os.File, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = &TooLargeError{Path: file.Name(), Limit: limit}
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

// TooLargeError is returned for a file that is larger than the limit.
type TooLargeError struct {
	Path  string
	Limit int64
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s has more than %d bytes; is it the right file?", e.Path, e.Limit)
}
