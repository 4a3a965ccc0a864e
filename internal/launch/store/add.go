package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"relevo/internal/safefile"
)

// Add keeps a copy of an executable. The copy shares the blocks of the original if the file
// system can do that. The hash is that of the copy, because the original may be written to
// meanwhile. A copy that exists already is used. The error is a *FullError or a
// *WriteError.
func (s *Store) Add(file *os.File, name string, about About) (*Copy, error) {
	name = copyName(name)
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot look at %s: %w", file.Name(), err)
	}
	like, err := wanted(file)
	if err == nil {
		like, err = like.attainable(ownPrivileges())
	}
	if err != nil {
		return nil, err
	}
	if c := s.reuse(file, info.Size(), name, like, about); c != nil {
		return c, nil
	}
	c, err := s.copy(file, like, name, about)
	var access *AccessError
	if errors.As(err, &access) {
		return nil, err
	}
	if err != nil {
		return nil, writeError(s.dir, err)
	}
	return c, nil
}

// original returns the path of the file that is copied.
func original(file *os.File, about About) string {
	if about.Resolved != "" {
		return about.Resolved
	}
	return file.Name()
}

// reuse returns the copy that exists already, if there is one. It needs no space, so it is
// looked for before the free space is.
func (s *Store) reuse(file *os.File, size int64, name string, like attributes, about About) *Copy {
	alike := slices.DeleteFunc(s.List(), func(r Record) bool {
		return !r.Kept || r.Name != name || r.Size != size || !s.has(r, like)
	})
	sum := s.sumAmong(alike, file)
	if sum == "" {
		return nil
	}
	r := s.recordFor(sum, name, size, like, about)
	if !s.has(r, like) && !s.share(r, alike) {
		return nil
	}
	if s.change(func() error { return s.fenceLocked(r.SHA256, closed(original(file, about))) }) != nil {
		return nil
	}
	c, err := s.use(r)
	if err != nil {
		s.log.Warn("a copy of an executable is made again", "err", err)
		return nil
	}
	return c
}

// sumAmong returns the hash of a file if one of the copies has the same bytes, else "". It compares, because that
// ends at the first difference, and a hash would be needed once more for the copy that is then made.
func (s *Store) sumAmong(alike []Record, file *os.File) string {
	if len(alike) == 0 {
		return "" // then the remembered hashes need not be read
	}
	if sum, known := s.hashes.find(file); known {
		return sum
	}
	for _, r := range alike {
		if holds(s.path(r), file) {
			return r.sum()
		}
	}
	return ""
}

// has says whether the record's copy exists and has these attributes.
func (s *Store) has(r Record, like attributes) bool {
	now, err := attributesAt(s.path(r))
	return err == nil && now.equal(like)
}

// share makes an entry whose copy is a hard link to the copy of another entry: releases that
// differ only by their places have the same bytes.
func (s *Store) share(r Record, alike []Record) bool {
	i := slices.IndexFunc(alike, func(other Record) bool { return other.sum() == r.sum() && other.SHA256 != r.SHA256 })
	if i < 0 {
		return false
	}
	return s.change(func() error {
		if err := s.makeEntry(r.SHA256); err != nil {
			return err
		}
		if err := s.writeLocked(r); err != nil {
			return err
		}
		if err := s.fenceLocked(r.SHA256, true); err != nil {
			return err
		}
		if err := os.Remove(s.path(r)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return os.Link(s.path(alike[i]), s.path(r))
	}) == nil
}

func (s *Store) copy(file *os.File, like attributes, name string, about About) (*Copy, error) {
	if err := s.make(); err != nil {
		return nil, err
	}
	temp, err := s.newTemp()
	if err != nil {
		return nil, err
	}
	defer os.Remove(temp.Name())
	// The kernel refuses to exec a file that is open for writing (ETXTBSY).
	defer unlockAndClose(temp)
	sum, size, err := s.fill(temp, file)
	if err != nil {
		return nil, err
	}
	if err := like.honoured(file, temp); err != nil {
		return nil, err
	}
	if err := like.give(temp); err != nil {
		return nil, err
	}
	carryLabels(temp, file)
	if !about.Interpreted && !mayExecute(temp.Name()) {
		return nil, fmt.Errorf("programs may not be run from %s (mounted noexec?)", s.dir)
	}
	return s.place(temp.Name(), s.recordFor(sum, name, size, like, about), closed(original(file, about)))
}

// fill gives a file the bytes of another one. It hashes what it gets, unless the hash of the other
// is known before and after.
func (s *Store) fill(to, from *os.File) (sum string, size int64, err error) {
	noted, err := Note(from)
	if err != nil {
		return "", 0, err
	}
	if sum, known := s.hashes.find(from); known {
		if reflink(to, from) != nil {
			_, err = io.Copy(to, whole(from))
		}
		if err != nil || noted.Intact(from) {
			return sum, noted.Size(), err
		}
		return hashOf(to)
	}
	if sum, size, err = fillAndHash(to, from); err == nil {
		s.hashes.remember(noted, from, sum)
	}
	return sum, size, err
}

func fillAndHash(to, from *os.File) (sum string, size int64, err error) {
	if reflink(to, from) == nil {
		return hashOf(to)
	}
	hash := sha256.New()
	size, err = io.Copy(to, io.TeeReader(whole(from), hash))
	return hex.EncodeToString(hash.Sum(nil)), size, err
}

// newTemp makes a temporary file, with a lock that tells other masters that its writer
// lives.
func (s *Store) newTemp() (*os.File, error) {
	unlock, err := s.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	temp, err := os.CreateTemp(s.dir, tempPrefix+"*")
	if err != nil {
		return nil, err
	}
	if err := flock(temp, unix.LOCK_EX); err != nil {
		temp.Close()
		os.Remove(temp.Name())
		return nil, fmt.Errorf("cannot lock %s: %w", temp.Name(), err)
	}
	return temp, nil
}

// place renames the finished copy to its name.
func (s *Store) place(temp string, r Record, closed bool) (*Copy, error) {
	unlock, err := s.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := s.makeEntry(r.SHA256); err != nil {
		return nil, err
	}
	path := s.path(r)
	// The record comes first: if the disk is full, no copy without a record is left.
	err = s.writeLocked(r)
	if err == nil {
		err = s.fenceLocked(r.SHA256, closed)
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		os.Remove(filepath.Dir(path)) // fails, as it should, if the directory is not empty
		return nil, err
	}
	hold, err := s.holdLocked(r.SHA256)
	if err != nil {
		return nil, err
	}
	file, err := safefile.OpenNoFollow(path)
	if err != nil {
		unlockAndClose(hold)
		return nil, err
	}
	defer file.Close()
	seal, err := sealAs(file, r.sum())
	if err != nil {
		unlockAndClose(hold)
		return nil, err
	}
	return &Copy{path: path, hold: hold, seal: seal}, nil
}
