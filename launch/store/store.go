// Package store keeps copies of executables, named by their content, so that a
// release can be started again after its file is gone, by this master or a later
// one:
//
//	DIR/HASH/NAME          the copy
//	DIR/HASH/release.json  what is known of it, see Record
//
// HASH is the sha256 of the bytes, or where a release is more than its bytes, of
// them and of its places, see Name.
//
// Several masters may use one directory. Whoever uses a copy holds a shared lock
// (flock(2)) on its entry, that is on DIR/HASH; what changes the store is done
// under an exclusive lock on DIR. The kernel lets go of a dead master's locks.
package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Store is a directory of copies. Its methods are safe for concurrent use.
type Store struct {
	dir  string
	keep atomic.Int64
	log  *slog.Logger
}

// tempPrefix begins the name of a copy that is being written. Its writer holds a
// lock on it, so that others know a dead one's.
const tempPrefix = ".copy-"

// Open returns the store in dir, which is made when the first copy is: a place
// that cannot be written to is an error of Add only. Keep is how many copies stay
// that nobody uses. Unfinished copies of masters that died are removed.
func Open(dir string, keep int, log *slog.Logger) (*Store, error) {
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("cannot keep releases in %q: give an absolute path", dir)
	}
	s := &Store{dir: dir, log: log}
	s.keep.Store(int64(keep))
	unlock, err := s.lock()
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		log.Warn("cannot look for unfinished copies of executables", "dir", dir, "err", err)
		return s, nil
	}
	defer unlock()
	s.clearTempsLocked()
	return s, nil
}

// SetKeep changes how many unused copies stay; those beyond go at the next Collect.
func (s *Store) SetKeep(n int) { s.keep.Store(int64(n)) }

// Dir is the store's directory.
func (s *Store) Dir() string { return s.dir }

func (s *Store) clearTempsLocked() {
	temps, _ := filepath.Glob(filepath.Join(s.dir, tempPrefix+"*"))
	for _, temp := range temps {
		file, err := os.Open(temp)
		if err != nil {
			continue
		}
		if flock(file, unix.LOCK_EX|unix.LOCK_NB) == nil {
			os.Remove(temp)
		}
		file.Close()
	}
}

// make makes the directory. Workers may run as another user and have to get
// through to the copies.
func (s *Store) make() error {
	if err := os.MkdirAll(s.dir, 0o711); err != nil {
		return err
	}
	if info, err := os.Stat(s.dir); err == nil && info.Mode().Perm() == 0o700 {
		return os.Chmod(s.dir, 0o711)
	}
	return nil
}

// lock waits for the other masters' changes, which take milliseconds.
func (s *Store) lock() (unlock func(), err error) {
	dir, err := os.Open(s.dir)
	if err != nil {
		return nil, err
	}
	if err := flock(dir, unix.LOCK_EX); err != nil {
		dir.Close()
		return nil, fmt.Errorf("cannot lock %s: %w", s.dir, err)
	}
	return func() { release(dir) }, nil
}

func (s *Store) entry(sha256 string) string { return filepath.Join(s.dir, sha256) }

func flock(file *os.File, how int) error {
	for {
		if err := unix.Flock(int(file.Fd()), how); err != unix.EINTR {
			return err
		}
	}
}

// release unlocks before it closes: a process being forked at this moment shares
// the lock until its exec.
func release(file *os.File) {
	flock(file, unix.LOCK_UN)
	file.Close()
}
