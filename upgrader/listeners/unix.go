package listeners

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
	"relevo/internal/safefile"
)

// unixSocket is the file of a Unix socket. It is identified by its inode, so that no
// other program's file is ever removed.
type unixSocket struct {
	path     string
	dev, ino uint64
	mode     fs.FileMode // for a new one in its place; 0: not known
	hidden   bool        // its path is taken away from clients
	user     *User       // whose file it is; nil: this process's
	heldPath             // of one that programs bind
}

func (s *unixSocket) same(other *unixSocket) bool { return s.dev == other.dev && s.ino == other.ino }

// bindUnix binds the socket, and replaces the file that a dead master left behind. A lock
// on the directory makes check and replacement one step, so that of two masters at the
// same time one gets an error.
func bindUnix(w config.Listen) (*Listener, error) {
	unlock, err := lockDirectory(filepath.Dir(w.Address), lockPatience)
	if held := new(safefile.HeldError); errors.As(err, &held) {
		return nil, fmt.Errorf("cannot listen on %s: %w; end it, or choose a directory that other users "+
			"cannot open (mode 0711)", w, err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", w, err)
	}
	defer unlock()
	l, err := bindLocked(w)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", w, err)
	}
	return l, nil
}

// bindLocked needs the lock on the directory.
func bindLocked(w config.Listen) (*Listener, error) {
	if err := checkVacant(w.Address); err != nil {
		return nil, err
	}
	file, err := bindAt(w)
	if err != nil {
		return nil, err
	}
	socket, err := identify(w.Address)
	if err != nil {
		file.Close()
		return nil, err
	}
	return &Listener{Listen: w, Address: w.Address, file: file, socket: socket}, nil
}

// bindAbstract binds a name in the abstract namespace (unix(7)). The kernel lets go
// of it with the socket, so there is nothing stale.
func bindAbstract(w config.Listen) (*Listener, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(context.Background(), string(w.Network), w.Address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("cannot listen on %s: %w; find the process with: ss -lxp", w, syscall.EADDRINUSE)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", w, err)
	}
	defer listener.Close()
	file, err := unpolledCopy(listener.(*net.UnixListener), w.Name)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", w, err)
	}
	return &Listener{Listen: w, Address: w.Address, file: file}, nil
}

func bindAt(w config.Listen) (*os.File, error) {
	if err := removeSocket(w.Address); err != nil {
		return nil, err
	}
	return bindVacant(w)
}

// bindVacant fails where there is a file.
func bindVacant(w config.Listen) (*os.File, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return restrict(raw, w.Mode)
	}}
	listener, err := lc.Listen(context.Background(), string(w.Network), w.Address)
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	if w.Mode != 0 {
		err = os.Chmod(w.Address, w.Mode) // what the umask took away
	}
	var file *os.File
	if err == nil {
		file, err = unpolledCopy(listener.(*net.UnixListener), w.Name)
	}
	if err != nil {
		os.Remove(w.Address)
		return nil, err
	}
	return file, nil
}

// restrict sets the mode before bind(2) makes the file, so that it is at no
// moment more open than wanted.
func restrict(raw syscall.RawConn, mode fs.FileMode) error {
	if mode == 0 {
		return nil
	}
	var failed error
	err := raw.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), uint32(mode)) })
	return errors.Join(err, failed)
}

// checkVacant says whether the path may be taken: nothing is there, or a socket
// on which no process listens.
func checkVacant(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errors.New("a file that is not a socket is in the way")
	}
	conn, err := net.Dial("unix", path)
	switch {
	case err == nil:
		conn.Close()
		return fmt.Errorf("%w: a process listens there", syscall.EADDRINUSE)
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil // stale: its owner is gone
	case errors.Is(err, syscall.EAGAIN):
		return fmt.Errorf("%w: a process listens there and its queue is full", syscall.EADDRINUSE)
	}
	return fmt.Errorf("cannot tell whether the socket there is still used: %w", err)
}

func removeSocket(path string) error {
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != fs.ModeSocket {
		return nil
	}
	return os.Remove(path)
}

func identify(path string) (*unixSocket, error) {
	var stat unix.Stat_t
	if err := unix.Lstat(path, &stat); err != nil {
		return nil, err
	}
	return &unixSocket{path: path, dev: uint64(stat.Dev), ino: stat.Ino, mode: fs.FileMode(stat.Mode).Perm()}, nil
}

// remove unlinks the socket unless another program's file is at the path.
func (s *unixSocket) remove() error {
	if s.held != "" {
		return s.user.do(s.removeBoth)
	}
	unlock, err := lockDirectory(filepath.Dir(s.path), lockPatienceAtEnd)
	switch held := new(safefile.HeldError); {
	case err == nil:
		defer unlock()
	case !errors.As(err, &held):
		return nil // the directory is gone, and the socket with it
	}
	path := s.path
	if s.hidden {
		path += retiredSuffix
	}
	now, err := identify(path)
	if err != nil || !now.same(s) {
		return nil
	}
	return os.Remove(path)
}

// lockDirectory keeps two masters from taking the same path at the same moment.
// The lock is on the directory itself and leaves no file behind. Any user who can
// open the directory can take it, too, so it is waited for only so long.
func lockDirectory(dir string, patience time.Duration) (unlock func(), err error) {
	file, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := safefile.Lock(file, unix.LOCK_EX, patience); err != nil {
		file.Close()
		return nil, err
	}
	return func() { file.Close() }, nil
}

// Another master holds the lock for milliseconds. What only removes or renews a
// socket that is this master's own is used without the lock.
const (
	lockPatience      = 2 * time.Second
	lockPatienceAtEnd = 200 * time.Millisecond
)

// retiredSuffix makes the name under which a hidden socket lies.
const retiredSuffix = "~retired"

// hide takes the socket's path away from clients. It may be called again.
func (s *unixSocket) hide() error {
	if s.hidden {
		return nil
	}
	if now, err := identify(s.path); err != nil || !now.same(s) {
		s.hidden = s.guarded
		return nil // no client finds it there any more
	}
	if s.held != "" {
		err := s.user.do(func() error { return os.Remove(s.path) })
		s.hidden = err == nil
		return err
	}
	if err := os.Rename(s.path, s.path+retiredSuffix); err != nil {
		return err
	}
	s.hidden = true
	return nil
}

// show undoes hide, unless another program has taken the path.
func (s *unixSocket) show() error {
	if !s.hidden {
		return nil
	}
	if s.held != "" {
		s.hidden = false
		return s.restore()
	}
	err := os.Link(s.path+retiredSuffix, s.path)
	if errors.Is(err, fs.ErrNotExist) {
		s.hidden = false // it was removed; replaceFile makes a new one
		return nil
	}
	if err != nil {
		return err
	}
	s.hidden = false
	return os.Remove(s.path + retiredSuffix)
}
