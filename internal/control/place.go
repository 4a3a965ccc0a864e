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

// MakeRuntimeDir makes the directory of sockets and locks. Everybody may pass
// through it, for workers of another user have their notify socket there; what
// lies in it is closed to others. It must be this user's or root's, and nobody else
// may be able to write to it or to put another one in its place.
func MakeRuntimeDir(dir string) error {
	dir = filepath.Clean(dir) // of "link/" the system would look at what it points to
	if err := checkRuntimeDir(dir); err != nil {
		return err
	}
	if err := safefile.MkdirAll(dir, 0o755, 0o711); err != nil {
		return fmt.Errorf("cannot make the runtime directory: %w; set RELEVO_RUNTIME_DIR to one that you can write to", err)
	}
	return checkRuntimeDir(dir) // what was not there before
}

// LetThrough lets workers of another user pass through the runtime directory, which
// may have been made under a umask that shuts them out.
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

// trustedSocket looks whether what lies at a path can be a master's of this user:
// anybody can put a socket into a directory of his own. It returns the users that
// the master may belong to. Root may ask the master of another user, in a directory
// of that user's.
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

// untrusted is the error for a place that is not believed.
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

// checkServer looks at who listens at the other end, which the kernel has noted.
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

// checkDir says whether the sockets in a runtime directory can be believed.
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
