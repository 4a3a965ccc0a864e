package control

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrLocked is returned by Acquire where another master has the name.
var ErrLocked = errors.New("control: the name is taken")

// Lock makes a master the only one of its name. The kernel lets go of it when
// the process dies, however that happens.
type Lock struct {
	file *os.File
	path string
}

// Acquire takes the lock at path without waiting.
func Acquire(path string) (*Lock, error) {
	for {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("cannot open the lock: %w", err)
		}
		if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			file.Close()
			if errors.Is(err, unix.EWOULDBLOCK) {
				return nil, ErrLocked
			}
			return nil, fmt.Errorf("cannot lock %s: %w", path, err)
		}
		if sameFile(file, path) {
			return &Lock{file, path}, nil
		}
		file.Close() // its owner removed it between our open and our lock
	}
}

// InheritLock goes on with the lock at path that another process has taken: the
// kernel counts it as held as long as any copy of its file is open.
func InheritLock(file *os.File, path string) *Lock {
	return &Lock{file, path}
}

// File is the lock itself, for another master. It stays the Lock's.
func (l *Lock) File() *os.File { return l.file }

func sameFile(file *os.File, path string) bool {
	held, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(held, named)
}

// Release removes the lock file and lets go.
func (l *Lock) Release() error {
	return errors.Join(os.Remove(l.path), l.file.Close())
}

// MakeRuntimeDir makes the directory of sockets and locks. Everybody may pass
// through it, for workers of another user have their notify socket there; what
// lies in it is closed to others. A fallback in a directory that everybody can
// write to must be ours, and nobody else may write to it.
func MakeRuntimeDir(dir string) error {
	dir = filepath.Clean(dir) // of "link/" the system would look at what it points to
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("cannot make the runtime directory: %w; set RELEVO_RUNTIME_DIR to one that you can write to", err)
	}
	if err := os.Mkdir(dir, 0o711); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("cannot make the runtime directory: %w; set RELEVO_RUNTIME_DIR to one that you can write to", err)
	}
	var stat unix.Stat_t
	if err := unix.Lstat(dir, &stat); err != nil {
		return fmt.Errorf("cannot look at the runtime directory %s: %w", dir, err)
	}
	switch {
	case stat.Mode&unix.S_IFMT != unix.S_IFDIR:
		return fmt.Errorf("cannot use %s as the runtime directory: it is not a directory", dir)
	case int(stat.Uid) != os.Geteuid() && stat.Uid != 0:
		return fmt.Errorf("cannot use %s as the runtime directory: it belongs to user %d", dir, stat.Uid)
	case stat.Mode&0o002 != 0:
		return fmt.Errorf("cannot use %s as the runtime directory: every user can write to it", dir)
	}
	return nil
}
