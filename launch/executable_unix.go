//go:build unix

package launch

import "golang.org/x/sys/unix"

// mayExecute asks the kernel, which knows about capabilities and ACLs.
func mayExecute(path string) bool {
	return unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, 0) == nil
}
