//go:build unix

package launch

import "golang.org/x/sys/unix"

// mayExecute asks the kernel by access(2), which also knows capabilities and ACLs.
func mayExecute(path string) bool {
	return unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, 0) == nil
}

// rootOnly says whether only root can change a file.
func rootOnly(path string) bool {
	var stat unix.Stat_t
	return unix.Stat(path, &stat) == nil && stat.Uid == 0 && stat.Mode&0o022 == 0
}
