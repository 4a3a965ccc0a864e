package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// attributes say who may run a file, and which privileges it has then. A copy has the
// attributes of its original, but without any permission to write.
type attributes struct {
	uid, gid     int
	mode         uint32 // permissions, set-user-ID, set-group-ID
	capabilities []byte // capabilities(7), as the extended attribute holds them
	acl          acl    // nil: none
}

// writable are the bits of the mode that a copy does not have.
const writable = 0o222

// AccessError says that a copy cannot be used like its original: users of the original could
// not run it, it would lack privileges, or other users could read it.
type AccessError struct{ Why string }

func (e *AccessError) Error() string { return e.Why }

// wanted returns the attributes that a copy of the file should have.
func wanted(file *os.File) (attributes, error) {
	a, err := attributesOf(file)
	a.mode &^= writable
	a.acl = a.acl.unwritable()
	return a, err
}

func attributesOf(file *os.File) (attributes, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &stat); err != nil {
		return attributes{}, fmt.Errorf("cannot look at %s: %w", file.Name(), err)
	}
	a := attributes{uid: int(stat.Uid), gid: int(stat.Gid), mode: uint32(stat.Mode) & 0o7777}
	var err error
	if a.capabilities, err = xattr(file, capabilityXattr); err != nil {
		return a, err
	}
	list, err := xattr(file, accessXattr)
	if err == nil {
		a.acl, err = parseACL(list)
	}
	return a, err
}

func (a attributes) equal(b attributes) bool {
	return a.uid == b.uid && a.gid == b.gid && a.mode == b.mode && bytes.Equal(a.capabilities, b.capabilities) &&
		a.acl.equal(b.acl)
}

// privileged says whether the file gives privileges to a process that runs it: by
// set-user-ID, set-group-ID or capabilities.
func (a attributes) privileged() bool {
	return a.mode&(unix.S_ISUID|unix.S_ISGID) != 0 || len(a.capabilities) > 0
}

// String is written into a record, to be compared later.
func (a attributes) String() string {
	return fmt.Sprintf("%d:%d %04o capabilities=%x acl=%x", a.uid, a.gid, a.mode, a.capabilities, a.acl.bytes())
}

// attainable returns the attributes that this process can give to a copy: all of them, or,
// if it may not give files to other owners, those of a file of its own that is open only to
// users of the original.
func (a attributes) attainable(p privileges) (attributes, error) {
	if a.uid == p.uid && a.gid == p.gid || p.mayGive {
		if len(a.capabilities) > 0 && !p.mayEmpower {
			return a, &AccessError{"a copy cannot have the capabilities of the file: this user may not give them"}
		}
		return a, nil
	}
	if a.privileged() {
		return a, &AccessError{"a copy cannot have the owner and the privileges of the file (set-user-ID, set-group-ID, " +
			"capabilities): only root can give them"}
	}
	return attributes{uid: p.uid, gid: p.gid, mode: 0o500}, nil
}

// give gives the attributes to a copy. The owner comes first, because the kernel removes the
// privileges of a file when its owner changes.
func (a attributes) give(file *os.File) error {
	fd := int(file.Fd())
	// A new file may have got an ACL from its directory (default ACL).
	if err := removeXattr(file, accessXattr); err != nil {
		return err
	}
	if err := unix.Fchown(fd, a.uid, a.gid); err != nil {
		return fmt.Errorf("cannot give %s to its owner: %w", file.Name(), err)
	}
	if err := unix.Fchmod(fd, a.mode); err != nil {
		return fmt.Errorf("cannot set the mode of %s: %w", file.Name(), err)
	}
	if a.acl != nil {
		if err := setXattr(file, accessXattr, a.acl.bytes()); err != nil {
			return refusedBy("access control list", file, err)
		}
	}
	if len(a.capabilities) > 0 {
		if err := setXattr(file, capabilityXattr, a.capabilities); err != nil {
			return refusedBy("capabilities", file, err)
		}
	}
	if now, err := attributesOf(file); err != nil || !now.equal(a) {
		return &AccessError{fmt.Sprintf("the file system of %s does not keep owner, mode or privileges of the file",
			file.Name())}
	}
	return nil
}

func refusedBy(what string, file *os.File, err error) error {
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPERM) {
		return &AccessError{fmt.Sprintf("a copy cannot have the %s of the file: %v", what, err)}
	}
	return fmt.Errorf("cannot give %s its %s: %w", file.Name(), what, err)
}

// honoured returns an error if the store is mounted nosuid, so that the kernel ignores the
// privileges of a copy, and the original is not.
func (a attributes) honoured(original, copied *os.File) error {
	if a.privileged() && nosuid(copied) && !nosuid(original) {
		return &AccessError{fmt.Sprintf("the file has privileges (set-user-ID, set-group-ID, capabilities) that the mount "+
			"of %s takes away (nosuid)", copied.Name())}
	}
	return nil
}
