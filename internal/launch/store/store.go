// Package store keeps copies of executables, named by their content, so that this master
// or a later one can start a release again after its file is gone:
//
//	DIR/HASH/NAME          the copy
//	DIR/HASH/release.json  what is known of it, see Record
//
// HASH is the sha256 of the bytes or, if a release is more than its bytes, of these and of
// its places and marks, see Name.
//
// Several masters may use one directory. While a master uses a copy it holds a shared lock
// (flock(2)) on the entry DIR/HASH. Every change of the store needs an exclusive lock on
// DIR. When a master dies, the kernel unlocks its locks.
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

	hashes hashes
}

// tempPrefix begins the name of a copy that is being written. Its writer holds a lock on it;
// without that lock it is left over from a master that died.
const tempPrefix = ".copy-"

// Open returns the store in dir. The directory is made with the first copy, so that only Add
// fails if it cannot be written to. keep is how many unused copies stay. Open removes the
// unfinished copies of masters that died.
func Open(dir string, keep int, log *slog.Logger) (*Store, error) {
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("cannot keep releases in %q: give an absolute path", dir)
	}
	s := &Store{dir: dir, log: log, turn: make(chan struct{}, 1)}
	s.keep.Store(int64(keep))
	unlock, err := s.lock()
	var untrusted *safefile.UntrustedError
	if errors.Is(err, os.ErrNotExist) || errors.As(err, &untrusted) { // Add returns that error
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

// SetKeep changes how many unused copies stay. The next Collect removes the others.
func (s *Store) SetKeep(n int) { s.keep.Store(int64(n)) }

// ShareHashes has the store read no executable that a master with the same directory of hashes has
// read since the last boot, and that has not been changed since. It is called before Add.
func (s *Store) ShareHashes(dir string) { s.hashes = hashes{dir} }

// Dir returns the store's directory.
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

// storeMode lets workers of another user enter the directory and run its copies. They may
// not open the directory itself, because then they could lock it.
const storeMode = 0o711

// make makes the directory, unless another user could put files into it.
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

// trusted returns an error if another user can put files into the store, and so decide what
// is run. Such a store is neither read nor written.
func (s *Store) trusted() error { return safefile.CheckDir(s.dir) }

// lockPatience is longer than the changes of other masters take: some milliseconds.
const lockPatience = 5 * time.Second

// lock takes the exclusive lock on the store. It waits for the goroutines of this process in
// turn first, and then for other masters. It polls the lock, and many goroutines that poll
// the same lock could starve each other.
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
		unlockAndClose(dir)
		<-s.turn
	}, nil
}

// turnPatience is longer than several changes take that each wait for another master.
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

// makeEntry makes the directory of a release's entry.
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

// unlockAndClose unlocks before it closes: a process that is forked at this moment shares
// the lock until its exec.
func unlockAndClose(file *os.File) {
	flock(file, unix.LOCK_UN)
	file.Close()
}
