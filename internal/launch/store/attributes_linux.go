package store

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// The extended attributes that decide about access and privileges, as the mode does.
const (
	capabilityXattr = "security.capability"
	accessXattr     = "system.posix_acl_access"
	defaultXattr    = "system.posix_acl_default"
)

// labelXattrs say in which domain a program runs. They are copied if the policy of the
// machine allows it; it may have rules of its own for the store.
var labelXattrs = [...]string{"security.selinux", "security.SMACK64EXEC", "security.ima"}

// xattr returns an extended attribute, nil if the file does not have it or the file system
// has none at all.
func xattr(file *os.File, name string) ([]byte, error) {
	value := make([]byte, 256) // enough for nearly all
	n, err := unix.Fgetxattr(int(file.Fd()), name, value)
	if errors.Is(err, unix.ERANGE) {
		value = make([]byte, 1<<16) // XATTR_SIZE_MAX
		n, err = unix.Fgetxattr(int(file.Fd()), name, value)
	}
	switch {
	case errors.Is(err, unix.ENODATA), errors.Is(err, unix.EOPNOTSUPP):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("cannot read %s of %s: %w", name, file.Name(), err)
	}
	return value[:n], nil
}

func setXattr(file *os.File, name string, value []byte) error {
	return unix.Fsetxattr(int(file.Fd()), name, value, 0)
}

func removeXattr(file *os.File, name string) error {
	err := unix.Fremovexattr(int(file.Fd()), name)
	if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return err
}

// carryLabels gives the copy the labels of its original.
func carryLabels(to, from *os.File) {
	for _, name := range labelXattrs {
		if value, err := xattr(from, name); err == nil && value != nil {
			_ = setXattr(to, name, value) // if the policy refuses it, the label of the store stays
		}
	}
}

func nosuid(file *os.File) bool {
	var fs unix.Statfs_t
	return unix.Fstatfs(int(file.Fd()), &fs) == nil && fs.Flags&unix.ST_NOSUID != 0
}

// privileges say what this process may do with files that it owns.
type privileges struct {
	uid, gid   int
	mayGive    bool // give them to other owners (CAP_CHOWN)
	mayEmpower bool // give them capabilities (CAP_SETFCAP)
}

func ownPrivileges() privileges {
	p := privileges{uid: os.Geteuid(), gid: os.Getegid()}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) == nil {
		has := func(c int) bool { return data[c/32].Effective&(1<<(c%32)) != 0 }
		p.mayGive, p.mayEmpower = has(unix.CAP_CHOWN), has(unix.CAP_SETFCAP)
	}
	return p
}
