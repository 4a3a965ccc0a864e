package safefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// UntrustedError is returned for a place in which another user can put what this
// user would believe.
type UntrustedError struct {
	Path   string
	Reason string // about "it"
	inside string // the place that was asked for, where Path is above it
}

func (e *UntrustedError) Error() string {
	if e.inside == "" {
		return e.Reason
	}
	return fmt.Sprintf("%s lies in %s, and of that: %s", e.inside, e.Path, e.Reason)
}

// CheckDir says whether a directory is one that this user may keep files in: it
// belongs to this user or root, no other user can write to it or
// put another directory in its place. A directory that does not exist yet is not refused.
func CheckDir(dir string) error {
	_, err := check(dir, func(int) bool { return false })
	return err
}

// CheckForeignDir is CheckDir for a process that only looks: root accepts the directory
// of any user, and gets its owner.
func CheckForeignDir(dir string) (owner int, err error) {
	return check(dir, func(int) bool { return os.Geteuid() == 0 })
}

// check allows another owner of the directory, who may then own what is above, too.
func check(dir string, allowed func(owner int) bool) (owner int, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return -1, err
	}
	t, owner := trusting(os.Geteuid()), os.Geteuid()
	var stat unix.Stat_t
	switch err := unix.Lstat(dir, &stat); {
	case err == nil:
		if owner = int(stat.Uid); allowed(owner) {
			t = append(t, owner)
		}
		if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
			return owner, &UntrustedError{Path: dir, Reason: "it is not a directory"}
		}
		if err := t.entry(dir, &stat); err != nil {
			return owner, err
		}
	case !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR):
		return owner, &fs.PathError{Op: "stat", Path: dir, Err: err}
	}
	err = t.above(dir, 0)
	if untrusted := new(UntrustedError); errors.As(err, &untrusted) {
		untrusted.inside = dir
	}
	return owner, err
}

// CheckSocket says whether a path is a socket of one of these users or root.
func CheckSocket(path string, uids ...int) error {
	var stat unix.Stat_t
	if err := unix.Lstat(path, &stat); err != nil {
		return &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return &UntrustedError{Path: path, Reason: "it is not a socket"}
	}
	return trusting(uids...).owner(path, &stat)
}

// trusted are the users that are believed.
type trusted []int

func trusting(uids ...int) trusted { return append(trusted{0}, uids...) }

func (t trusted) owner(path string, stat *unix.Stat_t) error {
	if slices.Contains(t, int(stat.Uid)) {
		return nil
	}
	return &UntrustedError{Path: path, Reason: fmt.Sprintf("it belongs to user %d", stat.Uid)}
}

// entry looks at a file or a directory that no other user may write to.
func (t trusted) entry(path string, stat *unix.Stat_t) error {
	if err := t.owner(path, stat); err != nil {
		return err
	}
	return writers(path, stat)
}

// writers returns an error if other users can write. A group of the owner's own, as many systems give
// each user, and root's have no other members.
func writers(path string, stat *unix.Stat_t) error {
	mode := uint32(stat.Mode)
	switch {
	case mode&0o002 != 0:
		return &UntrustedError{Path: path, Reason: "every user can write to it; chmod go-w " + path}
	case mode&0o020 != 0 && stat.Gid != 0 && stat.Gid != stat.Uid:
		return &UntrustedError{Path: path, Reason: fmt.Sprintf("group %d can write to it; chmod g-w %s", stat.Gid, path)}
	}
	return nil
}

// maxLinks is how many links on the way are followed, as many as the kernel does.
const maxLinks = 40

// above looks at the directories that lead to a path: whether another user can put
// something else there. Where others may write, as in /tmp, the sticky bit keeps
// them from that.
func (t trusted) above(path string, links int) error {
	if links > maxLinks {
		return &fs.PathError{Op: "open", Path: path, Err: unix.ELOOP}
	}
	at, rest := "/", strings.Split(strings.Trim(filepath.Clean(path), "/"), "/")
	for i, name := range rest {
		var stat unix.Stat_t
		if err := unix.Lstat(at, &stat); err != nil {
			return ignoreAbsent(at, err)
		}
		if err := t.parent(at, &stat); err != nil {
			return err
		}
		next := filepath.Join(at, name)
		if err := unix.Lstat(next, &stat); err != nil {
			return ignoreAbsent(next, err)
		}
		if stat.Mode&unix.S_IFMT == unix.S_IFLNK {
			if err := t.ancestor(next, &stat); err != nil {
				return err
			}
			target, err := os.Readlink(next)
			if err != nil {
				return err
			}
			if !filepath.IsAbs(target) {
				target = filepath.Join(at, target)
			}
			return t.above(filepath.Join(append([]string{target}, rest[i+1:]...)...), links+1)
		}
		at = next
	}
	return nil
}

func ignoreAbsent(path string, err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	return &fs.PathError{Op: "stat", Path: path, Err: err}
}

// parent looks at a directory of which one entry is believed.
func (t trusted) parent(path string, stat *unix.Stat_t) error {
	if err := t.ancestor(path, stat); err != nil {
		return err
	}
	if stat.Mode&unix.S_ISVTX != 0 {
		return nil
	}
	return writers(path, stat)
}

// ancestor is owner for what lies above. In a user namespace the system's own
// directories belong to a user that has no number there.
func (t trusted) ancestor(path string, stat *unix.Stat_t) error {
	err := t.owner(path, stat)
	if err != nil && unmapped(int(stat.Uid)) {
		return nil
	}
	return err
}
