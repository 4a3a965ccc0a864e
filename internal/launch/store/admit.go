package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// closedMode is the mode of an entry whose original lies in a closed directory: users who
// cannot read the original must not be able to read its copy.
const closedMode = 0o700

// closed says whether a directory on the way to a file is closed to other users.
func closed(path string) bool {
	path, err := filepath.EvalSymlinks(path)
	if err != nil || !filepath.IsAbs(path) {
		return true
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return true
		}
		if dir == "/" {
			return false
		}
	}
}

// fenceLocked opens an entry to other users or closes it. It keeps what Admit has allowed
// in a closed one.
func (s *Store) fenceLocked(sha256 string, closed bool) error {
	dir, err := os.OpenFile(s.entry(sha256), os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	now, err := attributesOf(dir)
	if err != nil {
		return err
	}
	mode := uint32(storeMode)
	if closed {
		mode = closedMode
	}
	if closed && now.acl != nil && now.mode&0o007 == 0 && now.acl.namedUsersOnly() {
		return nil
	}
	for _, name := range []string{accessXattr, defaultXattr} {
		if err := removeXattr(dir, name); err != nil {
			return err
		}
	}
	return unix.Fchmod(int(dir.Fd()), mode)
}

// Admit lets a user run a copy by its path, or read it if an interpreter is to run it. The
// error is an *AccessError if this would let other users in, too.
func (s *Store) Admit(c *Copy, uid int, gids []int, toRead bool) error {
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	u, entry := user{uid, gids}, filepath.Dir(c.path)
	for dir := s.dir; ; dir = filepath.Dir(dir) {
		if a, err := attributesAt(dir); err == nil && !a.lets(u, permExecute) {
			return &AccessError{fmt.Sprintf("user %d cannot get to the copies in %s: %s has mode %04o; chmod o+x it, "+
				"or set RELEVO_STATE_DIR to another place",
				uid, s.dir, dir, a.mode)}
		}
		if dir == "/" {
			break
		}
	}
	if a, err := attributesAt(entry); err != nil || !a.lets(u, permExecute) {
		if err := errors.Join(err, admit(entry, a, uid)); err != nil {
			return err
		}
	}
	need, verb := permExecute, "run"
	if toRead {
		need, verb = permRead, "read"
	}
	if a, err := attributesAt(c.path); err == nil && !a.lets(u, need) {
		return &AccessError{fmt.Sprintf("user %d may not %s the copy: it has owner, group and mode of the "+
			"original (%d:%d, %04o)", uid, verb, a.uid, a.gid, a.mode)}
	}
	return nil
}

func admit(entry string, a attributes, uid int) error {
	dir, err := os.OpenFile(entry, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	list := passage(uid)
	for _, e := range a.acl {
		if e.Tag == aclUser && e.ID != uint32(uid) {
			list = list.with(e)
		}
	}
	if err := setXattr(dir, accessXattr, list.bytes()); err != nil {
		return &AccessError{fmt.Sprintf("cannot let user %d alone get to %s, whose original lies in a closed directory: %v",
			uid, entry, err)}
	}
	return nil
}

func attributesAt(path string) (attributes, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return attributes{}, err
	}
	defer file.Close()
	return attributesOf(file)
}
