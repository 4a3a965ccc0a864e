package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/safefile"
)

// ErrLocked is returned by Acquire if another process holds the lock.
var ErrLocked = errors.New("control: the name is taken")

// Lock makes a master the only one of its name. The kernel unlocks it when the process
// ends, however that happens.
type Lock struct {
	file *os.File
	path string
}

// Acquire takes the lock at path without waiting.
func Acquire(path string) (*Lock, error) {
	for {
		file, err := openLock(path)
		if err != nil {
			return nil, fmt.Errorf("cannot open the lock: %w", err)
		}
		if err := safefile.Lock(file, unix.LOCK_EX, 0); err != nil {
			file.Close()
			var held *safefile.HeldError
			if errors.As(err, &held) {
				return nil, fmt.Errorf("%w: %w", ErrLocked, held)
			}
			return nil, fmt.Errorf("cannot lock %s: %w", path, err)
		}
		if sameFile(file, path) {
			return &Lock{file, path}, nil
		}
		file.Close() // its owner removed the file between our open and our lock
	}
}

// AcquireFrom is Acquire, but it waits for a process that holds the lock as long as ends says that
// the process will end, and not for longer than 5 s.
func AcquireFrom(path string, ends func() bool) (held *Lock, err error) {
	lookWhile(ends, func() bool {
		held, err = Acquire(path)
		return errors.Is(err, ErrLocked)
	})
	return held, err
}

// AwaitGivenUp waits like AcquireFrom until no process holds the lock, and returns false if one does
// after that. A lock of another user, which cannot be looked at, counts as not held. It makes no
// file.
func AwaitGivenUp(path string, ends func() bool) (givenUp bool) {
	return !lookWhile(ends, func() bool {
		file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err != nil {
			return false
		}
		defer file.Close() // unlocks it, too
		var held *safefile.HeldError
		return errors.As(safefile.Lock(file, unix.LOCK_SH, 0), &held)
	})
}

// NobodyAnswers returns a function that says whether no master answers at a control socket: one that
// holds the name is about to end, or has just begun.
func NobodyAnswers(ctx context.Context, socket string) (ends func() bool) {
	return func() bool {
		_, err := Connect(ctx, socket)
		return ExitCode(err) == ExitNotRunning && ctx.Err() == nil
	}
}

// lookWhile looks at a lock until it is not held, its holder does not end, or the patience is over.
// It returns whether it is held.
func lookWhile(ends, isHeld func() bool) (held bool) {
	for giveUp := time.Now().Add(acquirePatience); isHeld(); time.Sleep(acquireLook) {
		if !ends() || !time.Now().Before(giveUp) {
			return true
		}
	}
	return false
}

const (
	acquirePatience = 5 * time.Second
	acquireLook     = 20 * time.Millisecond
)

// openLock opens the file of a lock, or makes it. Other users may not open it, because then
// they could lock it.
func openLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, lockMode)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%s is not a regular file; remove it", path)
	case info.Mode().Perm() != lockMode:
		err = file.Chmod(lockMode) // the mode may be wrong because of a umask, or by mistake
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

const lockMode = 0o600

// TakeOverLock takes over the lock at path from the previous master. The kernel keeps the
// lock as long as any copy of its file is open.
func TakeOverLock(file *os.File, path string) *Lock {
	return &Lock{file, path}
}

// File returns the open file that is locked, for another master. It belongs to l.
func (l *Lock) File() *os.File { return l.file }

func sameFile(file *os.File, path string) bool {
	held, err := file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(path)
	return err == nil && os.SameFile(held, named)
}

// Unlock removes the lock file and closes it, which unlocks it.
func (l *Lock) Unlock() error {
	return errors.Join(os.Remove(l.path), l.file.Close())
}

// LeftBehind says whether the control socket at this path is that of a master that was killed:
// the file exists, and no process listens on it.
func LeftBehind(socket string) bool {
	if _, err := os.Lstat(socket); err != nil {
		return false
	}
	_, err := Connect(context.Background(), socket)
	return ExitCode(err) == ExitNotRunning
}
