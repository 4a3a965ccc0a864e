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

// Identity tells whether a file is still the one that was hashed. Inode numbers
// are used again and modification times can be set back, so all of it counts.
type Identity struct {
	dev, ino     uint64
	size         int64
	mtime, ctime time.Time
}

// IdentityOf looks at an open file.
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

// clockTick is more than the time for which a file system may give the same
// change time to several writes: a jiffy of at most 10 ms.
const clockTick = 20 * time.Millisecond

// Seal is the knowledge that a file holds certain bytes. While the file's
// identity is the one last noted they need not be read again.
type Seal struct {
	sum string

	mu    sync.Mutex
	noted Identity
	young bool // noted so soon after a change that the next one might not show
}

// SealOf notes the identity of a file and hashes it.
func SealOf(file *os.File) (*Seal, error) {
	s := new(Seal)
	if err := s.note(file); err != nil {
		return nil, err
	}
	var err error
	s.sum, _, err = hashOf(file)
	return s, err
}

// sealAs notes the identity of a file whose hash is known, and was taken since
// the file was last written.
func sealAs(file *os.File, sum string) (*Seal, error) {
	s := &Seal{sum: sum}
	return s, s.note(file)
}

// note must come before the hash is taken: a write in between then shows.
func (s *Seal) note(file *os.File) (err error) {
	now := time.Now()
	s.noted, err = IdentityOf(file)
	s.young = now.Sub(s.noted.ctime) < clockTick
	return err
}

// SHA256 is of the sealed bytes, hexadecimal.
func (s *Seal) SHA256() string { return s.sum }

// Size is that of the sealed bytes.
func (s *Seal) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.noted.size
}

// Intact says, from its identity alone, whether this is the sealed file,
// unchanged.
func (s *Seal) Intact(file *os.File) bool {
	now, err := IdentityOf(file)
	s.mu.Lock()
	defer s.mu.Unlock()
	return err == nil && now == s.noted
}

// Verify makes sure that a file holds the sealed bytes. It reads them only where
// the identity does not tell. The error is a *ChangedError.
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

// ChangedError: a file does not hold the bytes that it is known for.
type ChangedError struct{ Path, Got, Want string }

func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s was changed (sha256 %s, expected %s)", e.Path, phrase.Hash(e.Got), phrase.Hash(e.Want))
}

// hashOf reads a file from its beginning, wherever its offset stands.
func hashOf(file *os.File) (sum string, size int64, err error) {
	hash := sha256.New()
	size, err = io.Copy(hash, whole(file))
	return hex.EncodeToString(hash.Sum(nil)), size, err
}

func whole(file *os.File) io.Reader { return io.NewSectionReader(file, 0, 1<<62) }
