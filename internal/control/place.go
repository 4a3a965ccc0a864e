package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"relevo/internal/safefile"
)

// MakeRuntimeDir makes the directory of sockets and locks. All users may enter it, because
// the notify socket of workers of another user is there; its files are closed to others. The
// directory has to belong to this user or to root. No other user may be able to write to it,
// or to replace it.
func MakeRuntimeDir(dir string) error {
	dir = filepath.Clean(dir) // Lstat of "link/" would follow the link
	if err := checkRuntimeDir(dir); err != nil {
		return err
	}
	if err := safefile.MkdirAll(dir, 0o755, 0o711); err != nil {
		return fmt.Errorf("cannot make the runtime directory: %w; set RELEVO_RUNTIME_DIR to one that you can write to", err)
	}
	return checkRuntimeDir(dir) // it may have been made meanwhile by another process
}

// LetThrough lets workers of another user enter the runtime directory, which may have been
// made under a umask that does not allow it.
func LetThrough(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && info.Mode()&0o011 != 0o011 {
		err = os.Chmod(dir, info.Mode().Perm()|0o011)
	}
	if err != nil {
		return fmt.Errorf("cannot let the workers' user through to the notify socket: %w", err)
	}
	return nil
}

func checkRuntimeDir(dir string) error {
	if err := safefile.CheckDir(dir); err != nil {
		return fmt.Errorf("cannot use %s as the runtime directory: %w", dir, err)
	}
	return nil
}

// trustedSocket returns an error if another user could have put a socket at this path. It
// returns the users to whom the master may belong: root may also talk to the master of
// another user, in a directory of that user.
func trustedSocket(path string) (uids []int, err error) {
	owner, err := safefile.CheckForeignDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	uids = []int{0, os.Geteuid()}
	if os.Geteuid() == 0 {
		uids = append(uids, owner)
	}
	return uids, safefile.CheckSocket(path, uids...)
}

// untrusted makes the error for a socket that is not trusted.
func untrusted(name, place string, err error) error {
	var reason *safefile.UntrustedError
	if !errors.As(err, &reason) {
		return notConnected(name, place, err)
	}
	return &Error{
		Message: fmt.Sprintf("cannot trust what answers for %q at %s: %v; RELEVO_RUNTIME_DIR chooses another place", name,
			place, err),
		Exit: ExitNotPermitted,
	}
}

// checkServer returns an error if the process that listens belongs to another user, as the
// kernel has noted it (SO_PEERCRED).
func checkServer(conn net.Conn, uids []int) error {
	uid, err := peerUID(conn)
	if err != nil {
		return fmt.Errorf("cannot learn who listens: %w", err)
	}
	for _, trusted := range uids {
		if uid == trusted {
			return nil
		}
	}
	return &safefile.UntrustedError{Reason: fmt.Sprintf("a process of user %d listens there", uid)}
}

// checkDir returns an error if the sockets in a runtime directory cannot be trusted.
func checkDir(dir string) error {
	_, err := safefile.CheckForeignDir(dir)
	var reason *safefile.UntrustedError
	switch {
	case errors.As(err, &reason):
		return &Error{Message: fmt.Sprintf("cannot trust the sockets in %s: %v; RELEVO_RUNTIME_DIR chooses another place",
			dir, err), Exit: ExitNotPermitted}
	case errors.Is(err, fs.ErrPermission):
		return &Error{Message: fmt.Sprintf("cannot look for masters: %v", err), Exit: ExitNotPermitted}
	}
	return err
}
