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
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/safefile"
)

// Store is a directory of copies. Its methods are safe for concurrent use.
type Store struct {
	dir  string
	keep atomic.Int64
	log  *slog.Logger
	turn chan struct{} // capacity 1: full while a goroutine of this process has the lock, or waits for it
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
	s := &Store{dir: dir, log: log, turn: make(chan struct{}, 1)}
	s.keep.Store(int64(keep))
	unlock, err := s.lock()
	var untrusted *safefile.UntrustedError
	if errors.Is(err, os.ErrNotExist) || errors.As(err, &untrusted) { // Add tells of it
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
		file, err := safefile.OpenNoFollow(temp)
		if err != nil {
			continue
		}
		if flock(file, unix.LOCK_EX|unix.LOCK_NB) == nil {
			os.Remove(temp)
		}
		file.Close()
	}
}

// storeMode lets workers of another user through to the copies, and lets nobody
// else open the directory: what can be opened can be locked.
const storeMode = 0o711

// make makes the directory.
func (s *Store) make() error {
	if err := s.trusted(); err != nil {
		return err
	}
	if err := safefile.MkdirAll(s.dir, storeMode, storeMode); err != nil {
		return err
	}
	if info, err := os.Stat(s.dir); err == nil && info.Mode().Perm() != storeMode {
		return os.Chmod(s.dir, storeMode)
	}
	return nil
}

// trusted says whether another user can put something into the store, and so decide
// what is run. Nothing in such a place is read or written.
func (s *Store) trusted() error { return safefile.CheckDir(s.dir) }

// lockPatience is longer than other masters' changes take, which are milliseconds.
const lockPatience = 5 * time.Second

// lock waits for the other masters' changes, and for its turn among those of this
// process: the lock is taken by looking again and again, and the one that looks at
// the right moment gets it.
func (s *Store) lock() (unlock func(), err error) {
	if err := s.trusted(); err != nil {
		return nil, err
	}
	select {
	case s.turn <- struct{}{}:
	case <-time.After(turnPatience):
		return nil, fmt.Errorf("cannot lock %s: another change of this master does not end; is the disk slow?", s.dir)
	}
	dir, err := openLocked(s.dir, unix.LOCK_EX)
	if err != nil {
		<-s.turn
		return nil, err
	}
	return func() {
		release(dir)
		<-s.turn
	}, nil
}

// turnPatience is longer than several changes that each wait for another master.
const turnPatience = 6 * lockPatience

func openLocked(path string, how int) (*os.File, error) {
	dir, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := safefile.Lock(dir, how, lockPatience); err != nil {
		dir.Close()
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	return dir, nil
}

// makeEntry makes the directory of a release.
func (s *Store) makeEntry(sha256 string) error {
	return safefile.MkdirAll(s.entry(sha256), storeMode, storeMode)
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
