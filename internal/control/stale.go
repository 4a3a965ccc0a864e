package control

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// RemoveStale removes the control socket that a killed master has left. It holds the lock of the
// app meanwhile. If a master holds the lock, the socket stays, because it may be that master's.
func RemoveStale(socket, lock string) error {
	if _, err := os.Lstat(socket); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	held, err := Acquire(lock)
	switch {
	case errors.Is(err, ErrLocked):
		return nil
	case err != nil:
		return fmt.Errorf("cannot remove the stale socket %s: %w", socket, err)
	}
	if err = os.Remove(socket); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, held.Unlock())
}
