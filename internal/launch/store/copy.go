package store

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/phrase"
	"relevo/internal/safefile"
)

// Copy is a copy that is in use: Collect does not remove it before Close.
type Copy struct {
	path string
	seal *Seal
	hold *os.File // the entry, with a shared lock
	once sync.Once
}

// Path returns the path of the copy.
func (c *Copy) Path() string { return c.path }

// SHA256 returns the hash of its bytes, hexadecimal.
func (c *Copy) SHA256() string { return c.seal.SHA256() }

// Size returns its size in bytes.
func (c *Copy) Size() int64 { return c.seal.Size() }

// Open checks that the copy holds its bytes, and opens it for reading. If it was written to,
// the error is a *ChangedError.
func (c *Copy) Open() (*os.File, error) {
	file, err := safefile.OpenNoFollow(c.path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the copy of a release: %w", err)
	}
	if err := c.seal.Verify(file); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// Verify checks the copy as Open does, without returning the file.
func (c *Copy) Verify() error {
	file, err := c.Open()
	if err == nil {
		file.Close()
	}
	return err
}

// Holds says whether the copy has the bytes of a file. Comparing is much quicker than hashing.
func (c *Copy) Holds(file *os.File) bool {
	own, err := c.Open()
	if err != nil {
		return false
	}
	defer own.Close()
	return sameBytes(own, file)
}

// holds says whether the file at a path has the bytes of another one. It is not verified first.
func holds(path string, file *os.File) bool {
	own, err := safefile.OpenNoFollow(path)
	if err != nil {
		return false
	}
	defer own.Close()
	return sameBytes(own, file)
}

// sameBytes compares two files. false if one of them cannot be read.
func sameBytes(one, other *os.File) bool {
	const chunk = 64 << 10
	a, b := bufio.NewReaderSize(whole(one), chunk), bufio.NewReaderSize(whole(other), chunk)
	for {
		left, errLeft := a.Peek(chunk)
		right, errRight := b.Peek(chunk)
		if !bytes.Equal(left, right) || errLeft != errRight {
			return false
		}
		if errLeft != nil {
			return errors.Is(errLeft, io.EOF)
		}
		a.Discard(chunk)
		b.Discard(chunk)
	}
}

// Seal returns the seal of the copy's bytes.
func (c *Copy) Seal() *Seal { return c.seal }

// Close ends the use of the copy. From then on Collect may remove it.
func (c *Copy) Close() error {
	c.once.Do(func() { unlockAndClose(c.hold) })
	return nil
}

// Get returns the copy of a release by its whole hash. It reads the copy: if the bytes have
// changed, the copy is removed and the error is a *ChangedError.
func (s *Store) Get(sha256 string) (*Copy, error) {
	refuse := func(err error) error {
		return fmt.Errorf("cannot use release %s: %w; there %s", phrase.Hash(sha256), err, catalogue(s.List()))
	}
	r, err := s.read(sha256)
	if err != nil || !r.Kept {
		return nil, refuse(errors.New("no copy of it is kept"))
	}
	c, err := s.use(r)
	var changed *ChangedError
	if errors.As(err, &changed) {
		if err := os.Remove(changed.Path); err != nil {
			s.log.Warn("cannot remove a copy that was changed", "err", err)
		}
		return nil, fmt.Errorf("cannot use release %s: its copy %w, and has been removed", phrase.Hash(sha256), err)
	}
	if err == nil {
		err = s.unaltered(r)
	}
	if err != nil {
		if c != nil {
			c.Close()
		}
		return nil, refuse(err)
	}
	return c, nil
}

// unaltered returns an error if owner, mode or privileges of a copy have changed, for
// example because a backup was restored without them.
func (s *Store) unaltered(r Record) error {
	now, err := attributesAt(s.path(r))
	if err == nil && r.Attributes != "" && now.String() != r.Attributes {
		err = fmt.Errorf("owner, mode or capabilities of its copy are not what they were (%s, now %s)", r.Attributes, now)
	}
	return err
}

// use locks an entry, checks its copy, and writes the time of use into the record. If that
// cannot be written, the copy is used all the same.
func (s *Store) use(r Record) (*Copy, error) {
	hold, err := s.hold(r.SHA256)
	if err != nil {
		return nil, err
	}
	c := &Copy{path: s.path(r), hold: hold, seal: &Seal{sum: r.sum()}}
	if err := c.Verify(); err != nil {
		c.Close()
		return nil, err
	}
	unlock, err := s.lock()
	if err != nil {
		return c, nil
	}
	defer unlock()
	if now, err := s.read(r.SHA256); err == nil {
		r.Judgement = now.Judgement
	}
	r.LastUsed = time.Now()
	if err := s.writeLocked(r); err != nil {
		s.log.Warn("cannot note the use of a release", "release", phrase.Hash(r.SHA256), "err", err)
	}
	return c, nil
}

// hold takes a shared lock on an entry, so that Collect does not remove it.
func (s *Store) hold(sha256 string) (*os.File, error) {
	unlock, err := s.lock() // another master may be removing it
	if err != nil {
		return nil, err
	}
	defer unlock()
	return s.holdLocked(sha256)
}

func (s *Store) holdLocked(sha256 string) (*os.File, error) {
	return openLocked(s.entry(sha256), unix.LOCK_SH)
}

// mayExecute asks the kernel by access(2), which also knows about noexec mounts.
func mayExecute(path string) bool {
	return unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, 0) == nil
}

// recordFor makes the record of a copy that is added. An existing record of the same
// release keeps its verdict.
func (s *Store) recordFor(sum, name string, size int64, like attributes, about About) Record {
	now := time.Now()
	r := Record{SHA256: about.NameOf(sum), Name: name, Size: size, About: about, FirstUsed: now, LastUsed: now}
	r.Attributes = like.String()
	if r.SHA256 != sum {
		r.Bytes = sum
	}
	if known, err := s.read(r.SHA256); err == nil {
		r.Judgement = known.Judgement
		if !known.FirstUsed.IsZero() {
			r.FirstUsed = known.FirstUsed
		}
	}
	return r
}
