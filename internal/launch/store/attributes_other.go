//go:build !linux

package store

import "os"

const (
	capabilityXattr = "capability"
	accessXattr     = "access"
	defaultXattr    = "default"
)

// Only Linux has capabilities and access control lists in this form. On other systems the
// attributes are owner and mode.
func xattr(*os.File, string) ([]byte, error)  { return nil, nil }
func setXattr(*os.File, string, []byte) error { return nil }
func removeXattr(*os.File, string) error      { return nil }
func carryLabels(_, _ *os.File)               {}
func nosuid(*os.File) bool                    { return false }

// privileges are what this process may do with its files.
type privileges struct {
	uid, gid            int
	mayGive, mayEmpower bool
}

func ownPrivileges() privileges {
	root := os.Geteuid() == 0
	return privileges{os.Geteuid(), os.Getegid(), root, root}
}
