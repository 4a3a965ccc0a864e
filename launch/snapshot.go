package launch

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// identity tells whether a file is still the one that was hashed. Inode numbers
// are used again and modification times can be set back, so all of it counts.
type identity struct {
	dev, ino     uint64
	size         int64
	mtime, ctime time.Time
}

func identityOf(path string) (identity, error) {
	info, err := os.Stat(path)
	if err != nil {
		return identity{}, err
	}
	return identityFrom(info), nil
}

func identityFrom(info os.FileInfo) identity {
	id := identity{size: info.Size(), mtime: info.ModTime()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		id.dev, id.ino, id.ctime = uint64(stat.Dev), stat.Ino, changeTime(stat)
	}
	return id
}

// snapshot is a copy of an executable, named by its content:
// DIR/SHA256/NAME. Workers run it once the original path holds other bytes.
type snapshot struct {
	path   string // empty: there is no copy, the open file has to do
	sha256 string
	size   int64
}

// takeSnapshot copies the file into dir, sharing its blocks where the file
// system can, and hashes the copy: what was hashed is what will run. On a file
// system without room or permission it hashes the original and returns an error
// that says why there is no copy.
func takeSnapshot(file *os.File, dir, name string) (snapshot, error) {
	s, err := copyInto(file, dir, name)
	if err == nil {
		return s, nil
	}
	sum, size, hashErr := hashOf(io.NewSectionReader(file, 0, 1<<62))
	if hashErr != nil {
		return snapshot{}, fmt.Errorf("cannot read %s: %w", file.Name(), hashErr)
	}
	return snapshot{sha256: sum, size: size}, fmt.Errorf("cannot keep a copy of %s: %w", file.Name(), err)
}

func copyInto(file *os.File, dir, name string) (s snapshot, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return s, err
	}
	temp, err := os.CreateTemp(dir, ".copy-*")
	if err != nil {
		return s, err
	}
	defer os.Remove(temp.Name())
	defer temp.Close()
	if reflink(temp, file) != nil {
		if _, err := io.Copy(temp, io.NewSectionReader(file, 0, 1<<62)); err != nil {
			return s, err
		}
	}
	if _, err := temp.Seek(0, io.SeekStart); err != nil {
		return s, err
	}
	if s.sha256, s.size, err = hashOf(temp); err != nil {
		return s, err
	}
	s.path = filepath.Join(dir, s.sha256, name)
	if err := putInPlace(temp, s.path); err != nil {
		return s, err
	}
	if !mayExecute(s.path) {
		os.Remove(s.path)
		os.Remove(filepath.Dir(s.path))
		return s, fmt.Errorf("programs may not be run from %s (mounted noexec?)", dir)
	}
	return s, nil
}

// putInPlace renames the finished copy to its name. A copy that is there already
// has the same bytes and stays: workers may be running it.
func putInPlace(temp *os.File, path string) error {
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := temp.Chmod(0o500); err != nil {
		return err
	}
	// The descriptor must be closed for writing before anybody execs the file.
	if err := temp.Close(); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}

func hashOf(r io.Reader) (sum string, size int64, err error) {
	hash := sha256.New()
	size, err = io.Copy(hash, r)
	return hex.EncodeToString(hash.Sum(nil)), size, err
}
