package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// attributes are what a file is beside its bytes: who may run it, and what it may do
// then. A copy has those of its original; nobody may write to it by them.
type attributes struct {
	uid, gid     int
	mode         uint32 // permissions, set-user-ID, set-group-ID
	capabilities []byte // capabilities(7), as the extended attribute holds them
	acl          acl    // nil: none
}

// writable are the bits that a copy does not have.
const writable = 0o222

// AccessError says that a copy would not be what its original is: it could not be
// run by those who run the original, would lack its privileges, or could be read by
// others.
type AccessError struct{ Why string }

func (e *AccessError) Error() string { return e.Why }

// wanted are the attributes of a copy of the file.
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

// privileged says whether running the file gives privileges that it is given by its
// owner, group or capabilities.
func (a attributes) privileged() bool {
	return a.mode&(unix.S_ISUID|unix.S_ISGID) != 0 || len(a.capabilities) > 0
}

// String is written into a record, to be compared later.
func (a attributes) String() string {
	return fmt.Sprintf("%d:%d %04o capabilities=%x acl=%x", a.uid, a.gid, a.mode, a.capabilities, a.acl.bytes())
}

// attainable are the attributes that this process can give to a copy: all of them,
// or, where it may not give files away, those of a file of its own which nobody can
// use who could not use the original.
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

// give makes the copy what the original is. The order matters: a change of the owner
// takes the privileges away.
func (a attributes) give(file *os.File) error {
	fd := int(file.Fd())
	// A directory may give its files an ACL by default, which none of this has asked for.
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

// honoured says whether the kernel gives the privileges of files in the store: not
// where that is mounted nosuid and their originals' place is not.
func (a attributes) honoured(original, copied *os.File) error {
	if a.privileged() && nosuid(copied) && !nosuid(original) {
		return &AccessError{fmt.Sprintf("the file has privileges (set-user-ID, set-group-ID, capabilities) that the mount "+
			"of %s takes away (nosuid)", copied.Name())}
	}
	return nil
}
