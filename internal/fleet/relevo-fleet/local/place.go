package local

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// hashOf is the sha256 of a file; empty with an error.
func hashOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// keep copies what is in place, so that it can be put back.
func (a *App) keep(now kept) error {
	if now.SHA256 == "" {
		return nil // nothing is there
	}
	if _, err := os.Stat(a.release(now.SHA256)); err == nil {
		return nil
	}
	if err := copyTo(a.Path, a.release(now.SHA256), nil); err != nil {
		return fmt.Errorf("cannot keep the release that is in place: %w", err)
	}
	return nil
}

// place puts a release at the app's path: whole, by a rename.
func (a *App) place(hash string) error {
	like, err := os.Stat(a.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot put the release in place: %w", err)
	}
	if err := copyTo(a.release(hash), a.Path, like); err != nil {
		return fmt.Errorf("cannot put the release in place: %w", err)
	}
	return nil
}

// copyTo copies a file and replaces another one by it, with mode and owner of like; nil: 0755.
func copyTo(from, to string, like fs.FileInfo) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.CreateTemp(filepath.Dir(to), ".relevo-fleet-")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name()) // after the rename there is none
	_, err = io.Copy(out, in)
	return errors.Join(err, finish(out, to, like))
}

// finish sets what a new file needs and renames it.
func finish(out *os.File, to string, like fs.FileInfo) error {
	mode := fs.FileMode(0o755)
	if like != nil {
		mode = like.Mode().Perm()
		if owner, ok := like.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
			if err := out.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
				return errors.Join(err, out.Close())
			}
		}
	}
	if err := errors.Join(out.Chmod(mode), out.Sync(), out.Close()); err != nil {
		return err
	}
	return os.Rename(out.Name(), to)
}

// replace writes a small file, whole or not at all.
func replace(path string, text []byte) error {
	out, err := os.CreateTemp(filepath.Dir(path), ".relevo-fleet-")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	_, err = out.Write(text)
	return errors.Join(err, out.Chmod(0o600), out.Sync(), out.Close(), os.Rename(out.Name(), path))
}
