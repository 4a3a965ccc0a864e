package safefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// MkdirAll makes a directory with exactly this mode, whatever the umask, and the
// directories above it with that of parents. Those that are there stay as they are.
func MkdirAll(dir string, parents, mode fs.FileMode) error {
	err := mkdir(dir, mode)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir {
		if err := MkdirAll(filepath.Dir(dir), parents, parents); err != nil {
			return err
		}
		err = mkdir(dir, mode)
	}
	return err
}

func mkdir(dir string, mode fs.FileMode) error {
	err := os.Mkdir(dir, mode)
	if err == nil {
		return os.Chmod(dir, mode) // what the umask took away
	}
	if info, statErr := os.Stat(dir); errors.Is(err, fs.ErrExist) && statErr == nil && info.IsDir() {
		return nil
	}
	return err
}
