package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"relevo/internal/phrase"
)

// Identity says whether a file is still the one that was hashed. All fields are compared,
// because inode numbers are reused and modification times can be set back.
type Identity struct {
	dev, ino     uint64
	size         int64
	mtime, ctime time.Time
}

// IdentityOf returns the identity of an open file.
func IdentityOf(file *os.File) (Identity, error) {
	info, err := file.Stat()
	if err != nil {
		return Identity{}, err
	}
	return identityFrom(info), nil
}

func identityFrom(info os.FileInfo) Identity {
	id := Identity{size: info.Size(), mtime: info.ModTime()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		id.dev, id.ino, id.ctime = uint64(stat.Dev), stat.Ino, changeTime(stat)
	}
	return id
}

// clockTick is longer than the granularity of a file system's change time, which is a jiffy
// of at most 10 ms: two writes within it have the same time.
const clockTick = 20 * time.Millisecond

// Seal says that a file holds certain bytes. As long as the file has the identity that was
// noted last, the bytes need not be read again.
type Seal struct {
	sum string

	mu    sync.Mutex
	noted Identity
	young bool // noted within a clockTick of a change: the next change might not show
	fresh bool // noted within freshTime of a change
}

// freshTime is how long a file counts as fresh after a change. A linker may write to it by
// way of a mapping, and then only the first write to a page changes the times.
const freshTime = 10 * time.Second

// SealOf notes the identity of a file and hashes it.
func SealOf(file *os.File) (*Seal, error) {
	s, err := Note(file)
	if err == nil {
		err = s.Hash(file)
	}
	return s, err
}

// Note notes the identity of a file that is hashed next: by Hash, or by Add, whose copy then
// tells the hash (As).
func Note(file *os.File) (*Seal, error) {
	s := new(Seal)
	return s, s.note(file)
}

// Hash reads the file that was noted.
func (s *Seal) Hash(file *os.File) (err error) {
	s.sum, _, err = hashOf(file)
	return err
}

// As takes the hash of a copy that was made of the file after Note. The file itself is compared
// with it only if it is fresh. If its bytes differ then, the error is a *ChangedError.
func (s *Seal) As(c *Copy, file *os.File) error {
	s.sum = c.SHA256()
	if !s.fresh || holds(c.path, file) {
		return nil
	}
	if err := s.Hash(file); err != nil || s.sum == c.SHA256() {
		return err
	}
	return &ChangedError{Path: file.Name(), Got: s.sum, Want: c.SHA256()}
}

// sealAs notes the identity of a file whose hash is known. The file must not have been
// written to since it was hashed.
func sealAs(file *os.File, sum string) (*Seal, error) {
	s := &Seal{sum: sum}
	return s, s.note(file)
}

// note notes the identity of a file. It is called before the file is hashed, so that a write
// in between shows.
func (s *Seal) note(file *os.File) (err error) {
	now := time.Now()
	s.noted, err = IdentityOf(file)
	s.young = now.Sub(s.noted.ctime) < clockTick
	s.fresh = now.Sub(s.noted.ctime) < freshTime
	return err
}

// SHA256 returns the hash of the sealed bytes, hexadecimal.
func (s *Seal) SHA256() string { return s.sum }

// Size returns the number of the sealed bytes.
func (s *Seal) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.noted.size
}

// Intact says, by its identity alone, whether this is the sealed file, unchanged.
func (s *Seal) Intact(file *os.File) bool {
	now, err := IdentityOf(file)
	s.mu.Lock()
	defer s.mu.Unlock()
	return err == nil && now == s.noted
}

// SumOf returns the hash of a file that is, by its identity, the sealed one. known is false if
// it is another one, or was fresh when it was sealed.
func (s *Seal) SumOf(file *os.File) (sum string, known bool) {
	now, err := IdentityOf(file)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sum, err == nil && now == s.noted && !s.fresh
}

// Verify checks that a file holds the sealed bytes. It reads the file only if its identity
// does not prove that. If the bytes differ, the error is a *ChangedError.
func (s *Seal) Verify(file *os.File) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now, err := IdentityOf(file); err == nil && now == s.noted && !s.young {
		return nil
	}
	fresh := Seal{sum: s.sum}
	if err := fresh.note(file); err != nil {
		return fmt.Errorf("cannot look at %s: %w", file.Name(), err)
	}
	sum, _, err := hashOf(file)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", file.Name(), err)
	}
	if sum != s.sum {
		return &ChangedError{Path: file.Name(), Got: sum, Want: s.sum}
	}
	s.noted, s.young = fresh.noted, fresh.young
	return nil
}

// ChangedError says that a file does not hold the bytes that it should.
type ChangedError struct{ Path, Got, Want string }

func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s was changed (sha256 %s, expected %s)", e.Path, phrase.Hash(e.Got), phrase.Hash(e.Want))
}

// hashOf hashes a file from its beginning, and leaves the file's offset as it is.
func hashOf(file *os.File) (sum string, size int64, err error) {
	hash := sha256.New()
	size, err = io.Copy(hash, whole(file))
	return hex.EncodeToString(hash.Sum(nil)), size, err
}

func whole(file *os.File) io.Reader { return io.NewSectionReader(file, 0, 1<<62) }
